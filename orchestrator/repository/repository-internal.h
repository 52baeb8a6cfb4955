/* Declarations shared by the files of this folder: an opened repository and its helpers. */
#pragma once

#include "repository/repository.h"

struct repository {
        char *path; /* normalised */
        char *uuid;
        char short_uuid[9];
        int root_fd;
        /* -1: not locked. The open `.orch-lock`: an open-file-description lock belongs to this
         * descriptor */
        int lock_fd;
};

enum probe_aim {
        PROBE_READ,  /* marked */
        PROBE_WRITE, /* marked and writable */
        /* writable; a marker is not required, and `uuid` gets the UUID of an existing one */
        PROBE_INIT,
};

/* Does the checks of repository_probe(), as far as `aim` requires. */
int probe_share(const char *path, enum repository_fstype fstype, enum probe_aim aim,
                int64_t timeout_ms, struct repository_status *ret, struct error **err) _must_check_;

/* Opens the point's folder by its path relative to the repository, "<hypervisor>/<vm>/<point>",
 * which is validated. -1 on failure. */
int repository_open_point(struct repository *repository, const char *path,
                          struct error **err) _must_check_;
/* Splits such a path into its three parts, validated; the caller frees with strv_free().
 * ERROR_REFUSED when it is not such a path. */
int repository_split_path(const char *path, char ***ret, struct error **err) _must_check_;
/* Reads state.json in a point's folder; a missing one is a state of zeros. Returns NULL, or a text
 * about why it cannot be read, which the caller frees; the state then counts as held, so that
 * retention removes nothing that a user wanted to keep. */
char *point_state_read(int point_fd, struct point_state *ret);
/* Parses a point's name, "2026-02-01-220015", and accepts nothing else. *ret_time (may be NULL)
 * gets that local time in epoch seconds. */
bool point_name_parse(const char *name, int64_t *ret_time);
