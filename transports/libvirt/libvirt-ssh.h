/* Implements transports/hypervisor.h with libssh. One connection runs commands; a second one
 * carries libvirt's remote protocol to virt-ssh-helper on the hypervisor. */
#pragma once

#include "transports/hypervisor.h"

struct libvirt_ssh_options {
        const char *name; /* name in the inventory; every error contains it */
        const char *address;
        unsigned port;
        const char *user;
        const char *key;         /* absolute path of the private key */
        const char *known_hosts; /* absolute path */
        /* NULL: the hypervisor's qemu:///system over our own SSH; otherwise libvirt connects to
         * this URI itself */
        const char *uri;
        int64_t connect_timeout_ms; /* 0: 15 s */
        int64_t call_timeout_ms;    /* of a libvirt call; 0: 40 s */
        int64_t agent_timeout_ms;   /* of a guest agent call; 0: 10 s */
};

/* Connects by SSH and by libvirt. The host key is verified against known_hosts; if it is unknown or
 * has changed, ERROR_AUTH, and the message has the file, the fingerprint and the command to type.
 * The caller frees with hypervisor_free(). */
struct hypervisor *libvirt_ssh_connect(const struct libvirt_ssh_options *options,
                                       struct error **err) _must_check_;

/* Initialises the libraries and raises the limit of open files, for the whole process. Call it
 * before the first connect and before there are threads. Idempotent. */
int libvirt_ssh_init(struct error **err) _must_check_;

/* The number of calls in this process that timed out and have not returned. If there are any, flush
 * and end the process with _exit(): they still run inside libraries, and exit handlers would
 * destroy what they use. */
unsigned libvirt_ssh_calls_left_behind(void);
