/* The implementation of transports/hypervisor.h over libvirt's remote protocol (qemu+libssh, or the URI given) and libssh exec. */
#pragma once

#include "transports/hypervisor.h"

struct libvirt_ssh_options {
        const char *name;        /* in the inventory: named in every error */
        const char *address;
        unsigned port;
        const char *user;
        const char *key;         /* absolute path of the private key */
        const char *known_hosts; /* absolute path */
        const char *uri;         /* NULL: qemu+libssh://user@address:port/system?… with known_hosts and keyfile */
        int64_t connect_timeout_ms; /* 0: 15 s */
        int64_t call_timeout_ms;    /* of a libvirt call; 0: 30 s */
        int64_t agent_timeout_ms;   /* of a guest agent call; 0: 10 s */
};

/* Connects by SSH (host key verified against known_hosts: unknown or changed → ERROR_AUTH, naming the file, the fingerprint and the
 * line to type) and by libvirt. The caller frees with hypervisor_free(). */
struct hypervisor *libvirt_ssh_connect(const struct libvirt_ssh_options *options, struct error **err) _must_check_;

/* Process-wide: starts libvirt's event loop thread; call once before the first connect. Idempotent. */
int libvirt_ssh_init(struct error **err) _must_check_;
