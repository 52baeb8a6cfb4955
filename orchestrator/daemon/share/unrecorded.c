/* Records that are not in the catalog yet (share_add_unrecorded()). */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/share/share-internal.h"

static bool list_has_job_of(const struct catalog_list *rows, const struct catalog_entry *entry)
{
        for (size_t i = 0; i < rows->count; i++)
                if (streq(rows->items[i].job, entry->job))
                        return true;
        return false;
}

/* The catalog thread, which owns the outstanding ones, only reads their entries. */
void share_add_unrecorded(const struct share *share, struct catalog_list *rows)
{
        const struct share_request *const lists[] = { share->kept, share->outstanding };
        for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
                for (const struct share_request *request = lists[i]; request;
                     request = request->next) {
                        if (request->work != share_work_record ||
                            list_has_job_of(rows, &request->entry))
                                continue;
                        rows->items =
                                xrealloc_array(rows->items, rows->count + 1, sizeof *rows->items);
                        catalog_entry_copy(&request->entry, &rows->items[rows->count++]);
                }
        }
}
