/* Implements transports/libvirt/libvirt-call.h. A virConnect, its domains and libvirt's
 * thread-bound errors are used only in the service's thread; only plain memory leaves it, in a
 * request that has been returned. */
#include "transports/libvirt/libvirt-call.h"

#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-error.h"

/* The state that only the thread uses. */
struct context {
        char *uri;
        virConnectPtr connection;
};

struct libvirt_connection {
        struct service_thread *service;
        struct ssh_tunnel *tunnel; /* or NULL */
        int64_t call_timeout_ms;
        bool lost;
};

static void request_free(struct service_call *call)
{
        struct libvirt_request *request = (struct libvirt_request *)call;
        free(request->uuid);
        free(request->name);
        free(request->xml);
        free(request->command);
        free(request->target);
        free(request->base);
        free(request->top);
        free(request->text);
        strv_free(request->strings);
        domain_info_done(&request->info);
        error_free(request->error);
        free(request);
}

char **libvirt_request_take_strings(struct libvirt_request *request)
{
        char **strings = TAKE_PTR(request->strings);
        return strings ? strings : xcalloc(1, sizeof *strings);
}

static virDomainPtr look_up(virConnectPtr connection, const struct libvirt_request *request)
{
        return request->uuid ? virDomainLookupByUUIDString(connection, request->uuid)
                             : virDomainLookupByName(connection, request->name);
}

/* A domain may also disappear (migrate, or end as a transient one) between look-up and call. */
static bool settle_missing(struct libvirt_request *request)
{
        request->missing = !request->error && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
        return request->missing && request->may_be_missing;
}

static int call_function(virConnectPtr connection, struct libvirt_request *request)
{
        if (!request->uuid && !request->name)
                return request->function(connection, NULL, request);
        virDomainPtr domain = look_up(connection, request);
        if (!domain)
                return settle_missing(request) ? 0 : -1;
        int r = request->function(connection, domain, request);
        if (r < 0 && settle_missing(request))
                r = 0;
        if (r < 0 && !request->error)
                libvirt_error_set(&request->error); /* before virDomainFree() can overwrite it */
        virDomainFree(domain);
        return r;
}

static void make_call(struct service_call *call, void *context_pointer)
{
        struct libvirt_request *request = (struct libvirt_request *)call;
        struct context *context = context_pointer;
        virResetLastError();
        request->result = call_function(context->connection, request);
        if (request->result < 0 && !request->error)
                libvirt_error_set(&request->error);
        request->connection_dead = virConnectIsAlive(context->connection) != 1;
        /* If this connection is alive, the error is about another one: the remote daemon cannot
         * reach another daemon, or its answer is too large. */
        if (request->error && request->error->kind == ERROR_UNREACHABLE &&
            !request->connection_dead)
                request->error->kind = ERROR_INTERNAL;
}

struct libvirt_request *libvirt_request_new(libvirt_function *function, const char *doing,
                                            const char *uuid)
{
        struct libvirt_request *request = xcalloc(1, sizeof *request);
        service_call_init(&request->call, make_call, request_free);
        request->function = function;
        request->doing = doing;
        request->uuid = xstrdup(uuid);
        return request;
}

struct libvirt_request *libvirt_request_unref(struct libvirt_request *request)
{
        if (request)
                service_call_unref(&request->call);
        return NULL;
}

static void open_in_thread(struct service_call *call, void *context_pointer)
{
        struct libvirt_request *request = (struct libvirt_request *)call;
        struct context *context = context_pointer;
        context->connection = virConnectOpen(context->uri);
        if (!context->connection)
                request->result = libvirt_error_set(&request->error);
}

static void context_free(void *context_pointer)
{
        struct context *context = context_pointer;
        if (context->connection)
                virConnectClose(context->connection);
        free(context->uri);
        free(context);
}

/* Marks the connection as lost. The tunnel's reason explains more than libvirt's "end of file". */
static void give_up_call(struct libvirt_connection *connection, struct error *error)
{
        connection->lost = true;
        if (!connection->tunnel)
                return;
        _cleanup_free_ char *reason = ssh_tunnel_cut(connection->tunnel);
        if (!*reason)
                return;
        _cleanup_free_ char *message = TAKE_PTR(error->message);
        error->message = xasprintf("%s (%s)", message, reason);
}

/* Runs the call in the thread and reports how it ended. */
static int hand_over_call(struct libvirt_connection *connection, struct libvirt_request *request,
                          int64_t timeout_ms, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        if (!service_thread_run(connection->service, &request->call, timeout_ms)) {
                _cleanup_free_ char *limit = format_duration_ms(timeout_ms);
                error_set(&error, ERROR_TIMEOUT,
                          "libvirt gave no answer within %s (is its daemon, or the QEMU of the VM, "
                          "stopped?); the call was left "
                          "behind",
                          limit);
                give_up_call(connection, error);
        } else if (request->result < 0) {
                error = TAKE_PTR(request->error);
                if (request->connection_dead)
                        error->kind = error->kind == ERROR_AUTH ? ERROR_AUTH : ERROR_UNREACHABLE;
                if (request->connection_dead || error->kind == ERROR_UNREACHABLE)
                        give_up_call(connection, error);
        }
        return error ? error_propagate(err, TAKE_PTR(error)) : 0;
}

struct libvirt_connection *libvirt_connection_open(const char *uri, struct ssh_tunnel *tunnel,
                                                   int64_t connect_timeout_ms,
                                                   int64_t call_timeout_ms, struct error **err)
{
        struct context *context = xcalloc(1, sizeof *context);
        context->uri = xstrdup(uri);
        _cleanup_(libvirt_connection_freep) struct libvirt_connection *connection =
                xcalloc(1, sizeof *connection);
        connection->tunnel = tunnel;
        connection->call_timeout_ms = call_timeout_ms;
        connection->service = service_thread_new(context, context_free, err);
        if (!connection->service)
                return NULL;
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(NULL, "connecting", NULL);
        request->call.run = open_in_thread;
        int r = hand_over_call(connection, request, connect_timeout_ms, err);
        if (tunnel)
                ssh_tunnel_unlink(tunnel);
        if (r < 0) {
                error_prefix(err, "connecting to libvirt");
                return NULL;
        }
        return TAKE_PTR(connection);
}

int libvirt_connection_call(struct libvirt_connection *connection, struct libvirt_request *request,
                            struct error **err)
{
        int r = -1;
        if (connection->lost)
                error_set(err, ERROR_UNREACHABLE, "the libvirt connection was lost before");
        else
                r = hand_over_call(connection, request,
                                   request->timeout_ms ? request->timeout_ms
                                                       : connection->call_timeout_ms,
                                   err);
        if (r == 0)
                return 0;
        const char *vm = request->uuid ? request->uuid : request->name;
        if (vm && request->target)
                return error_prefix(err, "%s of disk %s of VM %s", request->doing, request->target,
                                    vm);
        if (vm)
                return error_prefix(err, "%s of VM %s", request->doing, vm);
        return error_prefix(err, "%s", request->doing);
}

struct libvirt_connection *libvirt_connection_free(struct libvirt_connection *connection)
{
        if (!connection)
                return NULL;
        service_thread_free(connection->service);
        ssh_tunnel_free(connection->tunnel); /* last: libvirt's goodbye goes through it */
        free(connection);
        return NULL;
}
