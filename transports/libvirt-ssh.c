/* The hypervisor object: its two connections, their beginning and end, and its table of operations.
 *
 * SSH is opened first: it fails with the better sentence when a host is unreachable or its key is wrong. Each connection has its own
 * host key verification against the same file. */
#include "transports/libvirt-ssh.h"

#include <assert.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>

#include "base/memory.h"
#include "transports/libvirt-error.h"
#include "transports/libvirt-ssh-internal.h"
#include "transports/libvirt-uri.h"

enum {
        DEFAULT_CONNECT_TIMEOUT_MS = 15 * 1000,
        /* Longer than the 30 s that libvirt itself waits for a domain's lock, so that a busy domain gets libvirt's answer and is not
         * taken for a stuck one, which costs the connection. */
        DEFAULT_CALL_TIMEOUT_MS = 40 * 1000,
        DEFAULT_AGENT_TIMEOUT_MS = 10 * 1000,
        /* libvirt first synchronises with an agent (5 s at most), then gives the command its own timeout. */
        AGENT_SLACK_MS = 10 * 1000,
};

int libvirt_ssh_call(struct hypervisor *hypervisor, struct libvirt_request *request, struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        int r = self->libvirt ? libvirt_connection_call(self->libvirt, request, err) :
                                error_set(err, ERROR_UNREACHABLE, "no connection to libvirt");
        return r < 0 ? error_prefix(err, "%s", hypervisor->name) : 0;
}

int libvirt_ssh_agent_call(struct hypervisor *hypervisor, struct libvirt_request *request, struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        request->agent_seconds = (int)((self->agent_timeout_ms + 999) / 1000);
        int64_t timeout_ms = self->agent_timeout_ms + AGENT_SLACK_MS;
        request->timeout_ms = timeout_ms > self->call_timeout_ms ? timeout_ms : self->call_timeout_ms;
        return libvirt_ssh_call(hypervisor, request, err);
}

static int open_connections(struct libvirt_ssh *self, struct error **err)
{
        if (libvirt_ssh_open_ssh(self, err) < 0)
                return -1;
        _cleanup_free_ char *uri = self->uri ? xstrdup(self->uri) : libvirt_uri(&self->target, self->abilities.virt_ssh_helper);
        self->libvirt = libvirt_connection_open(uri, self->connect_timeout_ms, self->call_timeout_ms, err);
        return self->libvirt ? 0 : -1;
}

static void close_connections(struct libvirt_ssh *self)
{
        self->libvirt = libvirt_connection_free(self->libvirt);
        self->ssh = ssh_connection_free(self->ssh);
}

static int reconnect(struct hypervisor *hypervisor, struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        assert(!self->ssh || !ssh_connection_is_running(self->ssh)); /* not from a command's callbacks */
        close_connections(self);
        return open_connections(self, err) < 0 ? error_prefix(err, "%s", hypervisor->name) : 0;
}

static void free_hypervisor(struct hypervisor *hypervisor)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        close_connections(self);
        free((char *)self->target.user);
        free((char *)self->target.key);
        free((char *)self->target.known_hosts);
        free(self->uri);
        free(hypervisor->name);
        free(hypervisor->address);
        free(self);
}

static const struct hypervisor_operations operations = {
        .free = free_hypervisor,
        .reconnect = reconnect,
        .versions = libvirt_ssh_versions,
        .exec = libvirt_ssh_exec,
        .stop_unit = libvirt_ssh_stop_unit,
        .find_domain = libvirt_ssh_find_domain,
        .list_domains = libvirt_ssh_list_domains,
        .get_xml = libvirt_ssh_get_xml,
        .list_snapshots = libvirt_ssh_list_snapshots,
        .agent_state = libvirt_ssh_agent_state,
        .fsfreeze_status = libvirt_ssh_fsfreeze_status,
        .fsfreeze = libvirt_ssh_fsfreeze,
        .fsthaw = libvirt_ssh_fsthaw,
        .snapshot = libvirt_ssh_snapshot,
        .block_commit = libvirt_ssh_block_commit,
        .block_job = libvirt_ssh_block_job,
        .block_pivot = libvirt_ssh_block_pivot,
        .block_abort = libvirt_ssh_block_abort,
        .block_size = libvirt_ssh_block_size,
        .update_device = libvirt_ssh_update_device,
        .suspend = libvirt_ssh_suspend,
        .resume = libvirt_ssh_resume,
        .start = libvirt_ssh_start,
        .shutdown = libvirt_ssh_shutdown,
        .destroy = libvirt_ssh_destroy,
        .define = libvirt_ssh_define,
        .undefine = libvirt_ssh_undefine,
};

static int64_t or_default(int64_t value, int64_t fallback)
{
        return value > 0 ? value : fallback;
}

static struct libvirt_ssh *libvirt_ssh_new(const struct libvirt_ssh_options *options)
{
        struct libvirt_ssh *self = xcalloc(1, sizeof *self);
        self->hypervisor = (struct hypervisor){
                .ops = &operations,
                .name = xstrdup(options->name),
                .address = xstrdup(options->address),
        };
        self->target = (struct ssh_target){
                .address = self->hypervisor.address,
                .port = options->port,
                .user = xstrdup(options->user),
                .key = xstrdup(options->key),
                .known_hosts = xstrdup(options->known_hosts),
        };
        self->uri = xstrdup(options->uri);
        self->connect_timeout_ms = or_default(options->connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
        self->call_timeout_ms = or_default(options->call_timeout_ms, DEFAULT_CALL_TIMEOUT_MS);
        self->agent_timeout_ms = or_default(options->agent_timeout_ms, DEFAULT_AGENT_TIMEOUT_MS);
        return self;
}

struct hypervisor *libvirt_ssh_connect(const struct libvirt_ssh_options *options, struct error **err)
{
        struct libvirt_ssh *self = libvirt_ssh_new(options);
        if (libvirt_ssh_init(err) == 0 && open_connections(self, err) == 0)
                return &self->hypervisor;
        error_prefix(err, "%s", options->name);
        free_hypervisor(&self->hypervisor);
        return NULL;
}

static _Noreturn void *run_events(void *argument _unused_)
{
        for (;;)
                virEventRunDefaultImpl();
}

/* libvirt's errors are returned, never printed. */
static void print_nothing(void *data _unused_, virErrorPtr error _unused_)
{
}

static struct error *init_error;

/* The event loop must be registered before any connection is opened; keepalive lives in it. */
static void init_once(void)
{
        virSetErrorFunc(NULL, print_nothing);
        if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
                libvirt_error_set(&init_error);
                return;
        }
        pthread_t thread;
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&thread, NULL, run_events, NULL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                pthread_detach(thread);
        else
                error_set_errno(&init_error, ERROR_INTERNAL, r, "cannot start a thread");
}

int libvirt_ssh_init(struct error **err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, init_once);
        if (!init_error)
                return 0;
        error_propagate(err, error_copy(init_error));
        return error_prefix(err, "libvirt's client library cannot be used");
}
