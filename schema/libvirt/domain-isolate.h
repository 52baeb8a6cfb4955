/* A domain whose QEMU reads files that do not belong to it and that must not be changed for it: a
 * machine that is tested directly from a restore point, or that runs from one until its disks are
 * its own. Documents followed: libvirt's formatdomain, "Security label". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* `models` are the security models of the host (`virsh capabilities`; NULL-terminated, NULL: none
 * known). With "dac", QEMU runs as root and libvirt leaves owner and mode of all files alone,
 * because a point's files belong to root with mode 0600, and must stay so. The domain's own files
 * still get labels of other models, but a source with relabel='no' never does; each such source is
 * made to name the model. Labels that the domain had on its old host are removed. Settings that
 * create files or hand the guest over are changed: the action on a crash becomes "destroy", on a
 * reset "restart", on a power-off "destroy"; a watchdog's action becomes "none". NULL and
 * ERROR_CORRUPT if the text is not a domain. The caller frees. */
char *domain_isolate(const char *text, size_t length, const char *const models[],
                     struct error **err) _must_check_;

/* Sets the same labels for a user's machine that reads a point for a while, and changes nothing
 * else. */
char *domain_borrow(const char *text, size_t length, const char *const models[],
                    struct error **err) _must_check_;

/* Reverses that: libvirt manages owners and modes again, and the disks of `targets`
 * (NULL-terminated) have no backing file. NULL and ERROR_CORRUPT if the text is not a domain. The
 * caller frees. */
char *domain_settle(const char *text, size_t length, char *const targets[],
                    struct error **err) _must_check_;

/* The domain's maximum memory in bytes; 0 if it has none that can be parsed. */
uint64_t domain_memory_bytes(const char *text, size_t length);

/* The models in a capabilities document of the host, without "none"; NULL-terminated, may be NULL.
 * ERROR_CORRUPT if the text is not such a document. */
int capabilities_read_models(const char *text, size_t length, char ***ret,
                             struct error **err) _must_check_;
