/* Declarations shared by staging.c and publish.c. */
#pragma once

#include "repository/checksums.h"
#include "repository/repository-internal.h"
#include "repository/staging.h"

#define STAGING_PREFIX ".staging-"

struct staging {
        struct repository *repository; /* not owned */
        char *hypervisor;
        char *vm;
        char *folder; /* ".staging-<job>" */
        char *path;
        char *relative_path;
        int hypervisor_fd;
        int vm_fd;
        int dir_fd;
        struct checksums checksums;
        char **own_files; /* written by this process; a hypervisor wrote all others */
        bool published;
        bool (*cancelled)(void *data);
        void *cancelled_data;
};

/* Called after the rename: from now on the object describes the point. */
void staging_became_point(struct staging *staging, const char *point);

/* Whether two stat results are of the same content, as far as stat can show. */
static inline bool stat_is_same_content(const struct stat *a, const struct stat *b)
{
        return a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}
