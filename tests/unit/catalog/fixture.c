/* Implements fixture.h: a catalog in a folder of its own, and entries and points to put into it. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>

#include "base/fs.h"

char *folder, *file;

void make_folder(void)
{
        char template[] = "/tmp/orch-test-catalog-XXXXXX";
        cr_assert(mkdtemp(template));
        folder = xstrdup(template);
        file = path_join(folder, "backup-catalog.db");
}

void remove_folder(void)
{
        assert_ok(fs_remove_tree_at(AT_FDCWD, folder, err));
        free(folder);
        free(file);
}

struct catalog *open_catalog(bool expect_rebuild)
{
        _cleanup_error_ struct error *error = NULL;
        bool rebuild = !expect_rebuild;
        struct catalog *catalog = catalog_open(file, &rebuild, &error);

        cr_assert(catalog, "%s", error_message(error));
        cr_assert_eq(rebuild, expect_rebuild);
        return catalog;
}

struct catalog_entry make_entry(const char *vm, int64_t started, const char *status)
{
        bool is_point = streq(status, "ok") || streq(status, "damaged");

        return (struct catalog_entry){
                .vm = xstrdup(vm),
                .hypervisor = xstrdup("hv"),
                .point = is_point ? xasprintf("%lld", (long long)started) : NULL,
                .job = xasprintf("job-%s-%lld", vm, (long long)started),
                .status = xstrdup(status),
                .path = is_point ? xasprintf("hv/%s/%lld", vm, (long long)started) : NULL,
                .uuid = xasprintf("uuid-of-%s", vm),
                .started = started,
                .finished = started + 60,
                .error = is_point ? NULL : xasprintf("what went wrong at %lld", (long long)started),
                .error_kind = is_point ? NULL : xstrdup("timeout"),
        };
}

void record(struct catalog *catalog, const char *vm, int64_t started, const char *status)
{
        _cleanup_catalog_entry_ struct catalog_entry entry = make_entry(vm, started, status);
        assert_ok(catalog_record(catalog, &entry, err));
}

struct point make_point(const char *vm, int64_t started)
{
        struct metadata *metadata = metadata_new();
        struct metadata_disk *disk = metadata_add_disk(metadata);

        metadata->vm = xstrdup(vm);
        metadata->uuid = xasprintf("uuid-of-%s", vm);
        metadata->hypervisor = xstrdup("hv");
        metadata->point = xasprintf("%lld", (long long)started);
        metadata->job = xasprintf("job-%s-%lld", vm, (long long)started);
        metadata->method = xstrdup("quiesce");
        metadata->method_used = xstrdup("snapshot");
        metadata->level = xstrdup("full");
        metadata->consistency = xstrdup("crash");
        metadata->status = xstrdup("ok");
        metadata->started = started;
        metadata->finished = started + 90;
        disk->virtual_bytes = 3 << 20;
        disk->stored_bytes = 1 << 20;
        strv_add(&metadata->warnings, "a \"warning\"");
        return (struct point){
                .hypervisor = xstrdup("hv"),
                .vm = xstrdup(vm),
                .name = xasprintf("%lld", (long long)started),
                .path = xasprintf("hv/%s/%lld", vm, (long long)started),
                .metadata = metadata,
        };
}

void add_point(struct point_list *points, struct point point)
{
        points->items = xrealloc_array(points->items, points->count + 1, sizeof *points->items);
        points->items[points->count++] = point;
}

void free_points(struct point_list *points)
{
        for (size_t i = 0; i < points->count; i++) {
                struct point *point = &points->items[i];
                free(point->hypervisor);
                free(point->vm);
                free(point->name);
                free(point->path);
                free(point->problem);
                metadata_free(point->metadata);
                point_state_done(&point->state);
        }
        free(points->items);
        *points = (struct point_list){ 0 };
}

char *list_text(struct catalog *catalog, const char *vm, bool failed)
{
        _cleanup_catalog_list_ struct catalog_list list = { 0 };
        struct strbuf text = { 0 };

        assert_ok(catalog_list(catalog, vm, failed, &list, err));
        for (size_t i = 0; i < list.count; i++)
                strbuf_addf(&text, "%s%s", i ? " " : "",
                            list.items[i].path ? list.items[i].path : list.items[i].job);
        return strbuf_take(&text);
}

char *query_text(const char *path, const char *sql)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        char *text = NULL;

        cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                     sqlite3_errmsg(db));
        if (sqlite3_step(statement) == SQLITE_ROW)
                text = xstrdup((const char *)sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return text;
}

void run_sql(const char *path, const char *sql)
{
        sqlite3 *db = NULL;

        cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
        sqlite3_close(db);
}

size_t count_files(const char *prefix)
{
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        size_t count = 0;

        for (struct dirent *entry; (entry = readdir(dir));)
                count += str_starts_with(entry->d_name, prefix);
        return count;
}
