/* The state of a hypervisor before a backup, read with one command: the share as it sees it, free
 * space, tools. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transports/hypervisor.h"

/* What is asked of the host. The texts are borrowed. */
struct host_probe_request {
        const char *repository; /* the share, as the host sees it */
        const char *tag;        /* in the name of the file that a write test makes */
        bool write_test;        /* makes a small file on the share, syncs and removes it */
        char *const *folders;   /* absolute paths, NULL-terminated; NULL: none */
        char *const *files;     /* the same */
};

/* What the host answered. */
struct host_probe {
        char *mount_type;      /* of the share's mount point; NULL: not a mount point */
        char *repository_uuid; /* of the marker there; NULL: none */
        char *write_problem;   /* NULL: the share can be written to */
        uint64_t share_free_bytes;
        char *kernel;
        char **missing_tools; /* NULL: none */
        /* of each folder asked for; UINT64_MAX: unknown */
        uint64_t *folder_free_bytes;
        /* allocated by each file asked for; 0: unknown */
        uint64_t *file_bytes;
        size_t n_folders;
        size_t n_files;
};

/* Asks all of it in one command. ERROR_TIMEOUT if the share does not respond on that host. *ret is
 * freed by host_probe_done(). */
int host_probe_run(struct hypervisor *host, const struct host_probe_request *request,
                   struct host_probe *ret, struct error **err) _must_check_;
void host_probe_done(struct host_probe *probe);

/* The free bytes on the file systems of these folders: the minimum over all of them. */
int host_free_bytes(struct hypervisor *host, char *const *folders, int64_t timeout_ms,
                    uint64_t *ret, struct error **err) _must_check_;
