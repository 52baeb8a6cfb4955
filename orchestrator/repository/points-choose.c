/* Selects a point of a VM by a name, a prefix, or "latest". */
#include <string.h>

#include "base/strings.h"
#include "repository/points.h"

static const struct point *choose_latest(const struct point_list *list, const char *vm,
                                         struct error **err)
{
        for (size_t i = 0; i < list->count; i++)
                if (streq(list->items[i].vm, vm) && list->items[i].metadata &&
                    !list->items[i].state.damaged)
                        return &list->items[i];
        error_set(err, ERROR_CONFIG, "%s has no good point on the share", vm);
        return NULL;
}

const struct point *points_find_beside(const struct point_list *list, const struct point *sibling,
                                       const char *name)
{
        for (size_t i = 0; i < list->count; i++) {
                const struct point *point = &list->items[i];
                if (streq(point->name, name) && streq(point->vm, sibling->vm) &&
                    streq(point->hypervisor, sibling->hypervisor))
                        return point;
        }
        return NULL;
}

const struct point *points_choose(const struct point_list *list, const char *vm, const char *wanted,
                                  struct error **err)
{
        const struct point *found = NULL;
        if (!wanted || streq(wanted, "latest"))
                return choose_latest(list, vm, err);
        for (size_t i = 0; i < list->count; i++) {
                const struct point *point = &list->items[i];
                if (!streq(point->vm, vm) || !str_starts_with(point->name, wanted))
                        continue;
                if (streq(point->name, wanted))
                        return point;
                if (found) {
                        error_set(err, ERROR_CONFIG,
                                  "'%s' is ambiguous: it matches %s and %s of %s; give more of the "
                                  "name",
                                  wanted, point->name, found->name, vm);
                        return NULL;
                }
                found = point;
        }
        if (!found)
                error_set(err, ERROR_CONFIG, "there is no point '%s' of %s on the share", wanted,
                          vm);
        return found;
}
