/* What the files of this folder share about an opened repository. */
#pragma once

#include "repository/repository.h"

struct repository {
        char *path; /* normalised */
        char *uuid;
        char short_uuid[9];
        int root_fd;
        /* -1: not locked. `.orch-lock` as it was opened: an open-file-description lock belongs to
         * the descriptor */
        int lock_fd;
};

enum probe_aim {
        PROBE_READ,  /* marked */
        PROBE_WRITE, /* marked and writable */
        /* writable; a marker is not asked for, and one that is there is told in `uuid` */
        PROBE_INIT,
};

/* What repository_probe() does, up to an aim. */
int probe_share(const char *path, enum repository_fstype fstype, enum probe_aim aim,
                int64_t timeout_ms, struct repository_status *ret, struct error **err) _must_check_;

/* Opens the point's folder by its path relative to the repository, "<hypervisor>/<vm>/<point>",
 * which is validated. -1 on failure. */
int repository_open_point(struct repository *repository, const char *path,
                          struct error **err) _must_check_;
/* The three parts of such a path, validated: strv_free(). ERROR_REFUSED for what is none. */
int repository_split_path(const char *path, char ***ret, struct error **err) _must_check_;
/* state.json in the folder of a point; none is a state of zeros. Returns what is wrong with one
 * that cannot be read (it then counts as held, lest retention remove what somebody wanted kept),
 * which the caller frees; else NULL. */
char *point_state_read(int point_fd, struct point_state *ret);
/* "2026-02-01-220015", and nothing else; *ret_time (may be NULL) gets the local time that it
 * means. */
bool point_name_parse(const char *name, int64_t *ret_time);
