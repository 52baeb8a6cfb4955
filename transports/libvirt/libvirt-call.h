/* A libvirt connection whose every call has a deadline. The connection lives in a thread of its own
 * (service-thread.h); calls go there as requests that own copies of all they need. When a call is
 * late, its tunnel is cut, so that it and its thread end soon; without a tunnel they may stay for
 * ever. */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdint.h>

#include "transports/hypervisor.h"
#include "transports/service-thread.h"
#include "transports/ssh/ssh-tunnel.h"

struct libvirt_request;

/* Makes one call, in the connection's thread. `domain` is the one looked up for request->uuid or
 * name, else NULL. On failure it leaves libvirt's error where libvirt put it, or fills
 * request->error itself. */
typedef int libvirt_function(virConnectPtr connection, virDomainPtr domain,
                             struct libvirt_request *request);

/* A call: its arguments are set between libvirt_request_new() and libvirt_connection_call(), its
 * results are read after that. */
struct libvirt_request {
        struct service_call call;
        libvirt_function *function;
        const char *doing;  /* for messages: "reading the XML"; a literal */
        int64_t timeout_ms; /* 0: the connection's */

        char *uuid; /* of the domain that the call is about */
        char *name; /* the same by name; used when uuid is NULL */
        /* no such domain (any more) is no error: `missing` is set, results mean nothing */
        bool may_be_missing;
        char *xml;
        char *command; /* of the agent's protocol */
        char *target;  /* a disk */
        char *base;
        char *top;
        uint64_t bandwidth_bytes;
        unsigned flags;
        int agent_seconds; /* 0: the connection's */

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

/* uuid may be NULL. The caller frees with libvirt_request_unref(). */
struct libvirt_request *libvirt_request_new(libvirt_function *function, const char *doing,
                                            const char *uuid);
struct libvirt_request *libvirt_request_unref(struct libvirt_request *request);
DEFINE_FREEP(struct libvirt_request, libvirt_request_unref)
#define _cleanup_libvirt_request_ _cleanup_(libvirt_request_unrefp)
/* The strings that a call gave; an empty vector for none, as NULL stands for failure elsewhere. The
 * caller frees. */
char **libvirt_request_take_strings(struct libvirt_request *request);

struct libvirt_connection;

/* Opens `uri`, which goes through `tunnel` (NULL: through none of ours; taken over, also on
 * failure). `call_timeout_ms` is the deadline of calls that bring none of their own. */
struct libvirt_connection *libvirt_connection_open(const char *uri, struct ssh_tunnel *tunnel,
                                                   int64_t connect_timeout_ms,
                                                   int64_t call_timeout_ms,
                                                   struct error **err) _must_check_;

/* Makes the call. ERROR_TIMEOUT: the call was left behind and may still take effect; the
 * connection is lost, and so it is after ERROR_UNREACHABLE. Nothing of a request may be read
 * after a failure. */
int libvirt_connection_call(struct libvirt_connection *connection, struct libvirt_request *request,
                            struct error **err) _must_check_;

/* Never blocks on a stuck call. Returns NULL. */
struct libvirt_connection *libvirt_connection_free(struct libvirt_connection *connection);
DEFINE_FREEP(struct libvirt_connection, libvirt_connection_free)
