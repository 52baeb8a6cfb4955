/* Restore points read from the share itself, for verbs that need no daemon. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"
#include "repository/points.h"
#include "repository/repository.h"

struct share_points {
        struct repository *repository;
        struct point_list list; /* newest first, of all VMs */
};

/* Opens the share that the settings name and reads all points. On failure, too, the caller calls
 * share_points_done(). */
int share_points_read(const struct settings *settings, struct share_points *ret,
                      struct error **err) _must_check_;
void share_points_done(struct share_points *points);
#define _cleanup_share_points_ _cleanup_(share_points_done)

/* The points as JSON, as in the daemon's list. The caller frees. */
json_t *share_points_to_json(const struct share_points *points);

/* The point of `vm` that `word` selects by the rules of listing_resolve(). NULL with ERROR_CONFIG
 * if there is none. `points` owns it. */
const struct point *share_points_find(const struct share_points *points, const char *vm,
                                      const char *word, struct error **err) _must_check_;

/* The names of the point and of its parents, as far as they exist, the point first;
 * NULL-terminated. The caller frees. */
char **share_points_chain(const struct share_points *points, const struct point *point);

/* The path of a disk's image on the share. First the headers of the image and of its whole backing
 * chain are compared with the points' metadata, so that opening the image opens only files of this
 * VM's points. The caller frees. ERROR_CORRUPT if they differ. */
char *share_points_image(const struct share_points *points, const struct point *point,
                         const struct metadata_disk *disk, struct error **err) _must_check_;
