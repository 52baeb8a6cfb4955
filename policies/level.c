/* Implements policies/level.h. */
#include "policies/level.h"

#include <stdio.h>

#include "base/strings.h"

#define WEEK ((int64_t)7 * 24 * 60 * 60)
/* Half a day of tolerance: the next full is also due in a cycle that begins a little earlier than
 * the one that made the last full. */
#define EARLY ((int64_t)12 * 60 * 60)

static const struct level_point *level_find_point(const struct level_point *points, size_t n_points,
                                                  const char *name)
{
        for (size_t i = 0; i < n_points; i++)
                if (streq(points[i].name, name))
                        return &points[i];
        return NULL;
}

/* The full at the root of a point's chain, when all points between them are good; else NULL. */
static const struct level_point *root_of(const struct level_point *points, size_t n_points,
                                         const struct level_point *point)
{
        for (size_t steps = 0; point && point->good && steps <= n_points; steps++) {
                if (!point->parent)
                        return point;
                point = level_find_point(points, n_points, point->parent);
        }
        return NULL;
}

static const struct level_point *level_newest_point(enum vm_level wanted,
                                                    const struct level_point *points,
                                                    size_t n_points, bool with_checkpoint)
{
        const struct level_point *best = NULL;
        for (size_t i = 0; i < n_points; i++) {
                const struct level_point *point = &points[i];
                if (!point->same_vm || (with_checkpoint && !point->checkpoint) ||
                    (wanted == VM_LEVEL_DIFFERENTIAL && point->parent) ||
                    !root_of(points, n_points, point))
                        continue;
                if (!best || point->started > best->started)
                        best = point;
        }
        return best;
}

void level_decide(enum vm_level wanted, unsigned full_every_weeks, const struct level_point *points,
                  size_t n_points, int64_t now, struct level_choice *ret)
{
        *ret = (struct level_choice){ .level = VM_LEVEL_FULL };
        if (wanted == VM_LEVEL_FULL)
                return;
        const struct level_point *parent = level_newest_point(wanted, points, n_points, true);
        const struct level_point *any = level_newest_point(wanted, points, n_points, false);
        if (!parent) {
                ret->expected = !any;
                snprintf(ret->reason, sizeof ret->reason,
                         any ? "the VM no longer has a checkpoint of a good point"
                             : "it is the first of its chain");
                return;
        }
        const struct level_point *root = root_of(points, n_points, parent);
        if (full_every_weeks && now - root->started >= (int64_t)full_every_weeks * WEEK - EARLY) {
                ret->expected = true;
                snprintf(ret->reason, sizeof ret->reason,
                         "the last one is from %s and one is due every %u weeks", root->name,
                         full_every_weeks);
                return;
        }
        if (parent->started > now) {
                snprintf(ret->reason, sizeof ret->reason,
                         "the clock was set back: its parent would be %s, which has a later time",
                         parent->name);
                return;
        }
        ret->level = wanted;
        ret->parent = parent;
}
