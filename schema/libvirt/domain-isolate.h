/* A domain whose QEMU may read files that are not its own and that nobody may change for its sake:
 * a machine that is tried straight from a restore point, or lives on one until its disks are its
 * own. Documents followed: libvirt's formatdomain, "Security label". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* `models` are the security models of the host (`virsh capabilities`; NULL-terminated, NULL: none
 * known). With "dac", QEMU runs as root and libvirt leaves owner and mode of all files alone: a
 * point's files are root's, 0600, and must stay so. Labels of other models are still given to what
 * the domain owns, never to a source with relabel='no'; each such source is made to name the model.
 * Labels that the domain brought from its old host go. What leaves files behind or hands the guest
 * over on its own goes too: what to do on a crash becomes "destroy", on a reset "restart", on a
 * power-off "destroy"; a watchdog's action becomes "none". NULL and ERROR_CORRUPT when the text is
 * no domain. The caller frees. */
char *domain_isolate(const char *text, size_t length, const char *const models[],
                     struct error **err) _must_check_;

/* The same labels for a machine of its owner's that reads a point for a while; nothing else about
 * it changes. */
char *domain_borrow(const char *text, size_t length, const char *const models[],
                    struct error **err) _must_check_;

/* Ends that: libvirt manages owners and modes again, and the disks of `targets` (NULL-terminated)
 * have no backing file. NULL and ERROR_CORRUPT when the text is no domain. The caller frees. */
char *domain_settle(const char *text, size_t length, char *const targets[],
                    struct error **err) _must_check_;

/* The domain's maximum memory in bytes; 0 when it has none that can be parsed. */
uint64_t domain_memory_bytes(const char *text, size_t length);

/* The models in a capabilities document of the host, "none" left out; NULL-terminated, may be NULL.
 * ERROR_CORRUPT when it is none. */
int capabilities_read_models(const char *text, size_t length, char ***ret,
                             struct error **err) _must_check_;
