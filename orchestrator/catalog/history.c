/* What the queue asks of the catalog: when each VM was last backed up well, and how often it has failed since. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "catalog/catalog.h"
#include "catalog/database.h"

int catalog_last_good(struct catalog *catalog, const char *vm, int64_t not_after, int64_t *ret_started, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(
                catalog,
                "SELECT coalesce(max(started), 0) FROM entry WHERE vm = ? AND status = 'ok' AND path IS NOT NULL AND started <= ?",
                err);

        if (!statement || database_bind_text(catalog, statement, 1, vm, err) < 0 ||
            database_bind_number(catalog, statement, 2, not_after, err) < 0 || database_step(catalog, statement, err) < 0)
                return -1;
        *ret_started = sqlite3_column_int64(statement, 0);
        return 0;
}

/* `good` and `failed` hold one row a VM at most: with max() SQLite takes the other columns from the row that has the greatest
 * value. */
static const char history_sql[] =
        "WITH good AS (SELECT vm, point, max(started) AS started FROM entry "
        "              WHERE status = 'ok' AND path IS NOT NULL AND started <= ?1 GROUP BY vm), "
        "failed AS (SELECT e.vm, e.error, max(e.started) AS started, count(*) AS failures FROM entry e LEFT JOIN good ON good.vm = "
        "e.vm "
        "           WHERE e.status = 'failed' AND e.started > coalesce(good.started, -1) GROUP BY e.vm) "
        "SELECT e.vm, coalesce(good.started, 0), good.point, coalesce(failed.failures, 0), coalesce(failed.started, 0), "
        "failed.error, "
        "       sum(e.status = 'damaged') "
        "FROM entry e LEFT JOIN good ON good.vm = e.vm LEFT JOIN failed ON failed.vm = e.vm GROUP BY e.vm ORDER BY e.vm";

static void read_vm(sqlite3_stmt *statement, struct catalog_vm *ret)
{
        *ret = (struct catalog_vm){
                .vm = database_column_text(statement, 0),
                .last_good = sqlite3_column_int64(statement, 1),
                .last_good_point = database_column_text(statement, 2),
                .failures = (unsigned)sqlite3_column_int(statement, 3),
                .last_failure = sqlite3_column_int64(statement, 4),
                .last_error = database_column_text(statement, 5),
                .damaged = (unsigned)sqlite3_column_int(statement, 6),
        };
}

int catalog_get_history(struct catalog *catalog, int64_t not_after, struct catalog_history *ret, struct error **err)
{
        _cleanup_catalog_history_ struct catalog_history history = { 0 };
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(catalog, history_sql, err);
        int row;

        if (!statement || database_bind_number(catalog, statement, 1, not_after, err) < 0)
                return -1;
        while ((row = database_step(catalog, statement, err)) > 0) {
                history.items = xrealloc_array(history.items, history.count + 1, sizeof *history.items);
                read_vm(statement, &history.items[history.count++]);
        }
        if (row < 0)
                return -1;
        *ret = history;
        history = (struct catalog_history){ 0 };
        return 0;
}

static int compare_name(const void *name, const void *vm)
{
        return strcmp(name, ((const struct catalog_vm *)vm)->vm);
}

const struct catalog_vm *catalog_history_find(const struct catalog_history *history, const char *vm)
{
        return history->count ? bsearch(vm, history->items, history->count, sizeof *history->items, compare_name) : NULL;
}

void catalog_history_done(struct catalog_history *history)
{
        for (size_t i = 0; i < history->count; i++) {
                free(history->items[i].vm);
                free(history->items[i].last_good_point);
                free(history->items[i].last_error);
        }
        free(history->items);
        *history = (struct catalog_history){ 0 };
}
