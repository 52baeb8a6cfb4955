/* A libvirt connection on which every call has a deadline. The connection lives in its own thread
 * (service-thread.h); a call is passed there as a request that owns copies of everything it needs.
 * When a call is late, its tunnel is cut, so that the call and its thread end soon; without a
 * tunnel they may stay for ever. */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdint.h>

#include "transports/hypervisor.h"
#include "transports/service-thread.h"
#include "transports/ssh/ssh-tunnel.h"

struct libvirt_request;

/* Makes one call in the connection's thread. `domain` was looked up by request->uuid or name; it is
 * NULL if both are. On failure the function leaves libvirt's error in place, or sets request->error
 * itself. */
typedef int libvirt_function(virConnectPtr connection, virDomainPtr domain,
                             struct libvirt_request *request);

/* A call. The caller sets its arguments between libvirt_request_new() and
 * libvirt_connection_call(), and reads its results after that. */
struct libvirt_request {
        struct service_call call;
        libvirt_function *function;
        const char *doing;  /* for messages: "reading the XML"; a literal */
        int64_t timeout_ms; /* 0: the connection's default */

        char *uuid; /* UUID of the domain */
        char *name; /* name of the domain; used if uuid is NULL */
        /* a domain that does not exist (any more) is not an error: `missing` is set, and the
         * results are invalid */
        bool may_be_missing;
        char *xml;
        char *command; /* a command of the agent's protocol */
        char *target;  /* a disk */
        char *base;
        char *top;
        uint64_t bandwidth_bytes;
        unsigned flags;
        int agent_seconds; /* 0: the connection's default */

        bool missing;
        int number;
        char *text;
        char **strings;
        struct domain_info info;
        virDomainBlockInfo block;
        struct block_job block_job;
        struct backup_job backup_job;
        struct hypervisor_versions versions;
        enum agent_state agent;

        int result;
        bool connection_dead;
        struct error *error;
};

/* Creates a request; uuid may be NULL. The caller frees it with libvirt_request_unref(). */
struct libvirt_request *libvirt_request_new(libvirt_function *function, const char *doing,
                                            const char *uuid);
struct libvirt_request *libvirt_request_unref(struct libvirt_request *request);
DEFINE_FREEP(struct libvirt_request, libvirt_request_unref)
#define _cleanup_libvirt_request_ _cleanup_(libvirt_request_unrefp)
/* The strings that a call returned. If there are none it is an empty vector, because NULL means
 * failure elsewhere. The caller frees. */
char **libvirt_request_take_strings(struct libvirt_request *request);

struct libvirt_connection;

/* Opens `uri` through `tunnel` and takes the tunnel over, also on failure. NULL: without a tunnel.
 * `call_timeout_ms` is the deadline of calls that have none of their own. */
struct libvirt_connection *libvirt_connection_open(const char *uri, struct ssh_tunnel *tunnel,
                                                   int64_t connect_timeout_ms,
                                                   int64_t call_timeout_ms,
                                                   struct error **err) _must_check_;

/* Makes the call. ERROR_TIMEOUT: the call was left behind and may still take effect. After this and
 * after ERROR_UNREACHABLE the connection is lost. The results of a failed request must not be read.
 */
int libvirt_connection_call(struct libvirt_connection *connection, struct libvirt_request *request,
                            struct error **err) _must_check_;

/* A stuck call does not block it. Returns NULL. */
struct libvirt_connection *libvirt_connection_free(struct libvirt_connection *connection);
DEFINE_FREEP(struct libvirt_connection, libvirt_connection_free)
