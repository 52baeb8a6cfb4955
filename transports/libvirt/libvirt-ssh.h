/* The implementation of transports/hypervisor.h over libssh: one connection runs commands, a second
 * one carries libvirt's remote protocol to virt-ssh-helper on the hypervisor. */
#pragma once

#include "transports/hypervisor.h"

struct libvirt_ssh_options {
        const char *name; /* in the inventory: named in every error */
        const char *address;
        unsigned port;
        const char *user;
        const char *key;         /* absolute path of the private key */
        const char *known_hosts; /* absolute path */
        /* NULL: the hypervisor's qemu:///system over our own SSH; else what libvirt is to connect
         * to, by itself */
        const char *uri;
        int64_t connect_timeout_ms; /* 0: 15 s */
        int64_t call_timeout_ms;    /* of a libvirt call; 0: 40 s */
        int64_t agent_timeout_ms;   /* of a guest agent call; 0: 10 s */
};

/* Connects by SSH (host key verified against known_hosts: unknown or changed → ERROR_AUTH, naming
 * the file, the fingerprint and the line to type) and by libvirt. The caller frees with
 * hypervisor_free(). */
struct hypervisor *libvirt_ssh_connect(const struct libvirt_ssh_options *options,
                                       struct error **err) _must_check_;

/* Process-wide: makes the libraries ready and raises the limit of open files; call once, before the
 * first connect and before there are threads. Idempotent. */
int libvirt_ssh_init(struct error **err) _must_check_;

/* Process-wide: calls that were given up and have not come back. While there are any, end the
 * process by _exit() (after flushing): they still run in libraries whose exit handlers would pull
 * the ground from under them. */
unsigned libvirt_ssh_calls_left_behind(void);
