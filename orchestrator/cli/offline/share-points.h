/* Points as the share itself shows them, for verbs that need no daemon. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"
#include "repository/points.h"
#include "repository/repository.h"

struct share_points {
        struct repository *repository;
        struct point_list list; /* newest first, of all VMs */
};

/* Opens the share that the settings name and reads all points. */
int share_points_read(const struct settings *settings, struct share_points *ret,
                      struct error **err) _must_check_;
void share_points_done(struct share_points *points);
#define _cleanup_share_points_ _cleanup_(share_points_done)

/* The same JSON as the daemon's list; the caller frees. */
json_t *share_points_to_json(const struct share_points *points);

/* The point of `vm` that `word` means, as listing_resolve() has it. NULL with ERROR_CONFIG when
 * there is none. Owned by `points`. */
const struct point *share_points_find(const struct share_points *points, const char *vm,
                                      const char *word, struct error **err) _must_check_;

/* Its name and those of the points that it is based on, as far as they are there; NULL-terminated,
 * the caller frees. */
char **share_points_chain(const struct share_points *points, const struct point *point);

/* The path of a disk's image on the share, after the headers of the image and of all that it is
 * based on were compared with what their points tell: nothing but files of this VM's points is
 * opened through it. The caller frees. ERROR_CORRUPT. */
char *share_points_image(const struct share_points *points, const struct point *point,
                         const struct metadata_disk *disk, struct error **err) _must_check_;
