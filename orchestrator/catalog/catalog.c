/* Implements the rows of catalog/catalog.h: recording, listing, pins, the copy. Opening is in
 * open.c, comparing with the share in reconcile.c.
 *
 * Every write is one transaction, so the file on the share is whole after a crash at any moment. */
#include "catalog/catalog.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "catalog/database.h"
#include "catalog/entry.h"

#define FAILURES_KEPT_SECONDS (INT64_C(90) * 24 * 60 * 60)

/* A statement with one text, which gives no rows. */
static int run_with_text(struct catalog *catalog, const char *sql, const char *text,
                         struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(catalog, sql, err);

        if (!statement || database_bind_text(catalog, statement, 1, text, err) < 0)
                return -1;
        return database_finish(catalog, statement, err);
}

static int forget_failures_before(struct catalog *catalog, int64_t time, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(
                catalog, "DELETE FROM entry WHERE path IS NULL AND started < ?", err);

        if (!statement || database_bind_number(catalog, statement, 1, time, err) < 0)
                return -1;
        return database_finish(catalog, statement, err);
}

static int entry_record(struct catalog *catalog, const struct catalog_entry *entry,
                        struct error **err)
{
        if (entry->job &&
            run_with_text(catalog, "DELETE FROM entry WHERE job = ?", entry->job, err) < 0)
                return -1;
        if (forget_failures_before(catalog, entry->started - FAILURES_KEPT_SECONDS, err) < 0)
                return -1;
        return entry_insert(catalog, entry, err);
}

int catalog_record(struct catalog *catalog, const struct catalog_entry *entry, struct error **err)
{
        assert(entry->vm && entry->status);
        if (database_begin(catalog, err) < 0)
                return -1;
        return database_end(catalog, entry_record(catalog, entry, err), err);
}

int catalog_put_point(struct catalog *catalog, const struct point *point, struct error **err)
{
        _cleanup_catalog_entry_ struct catalog_entry entry = { 0 };

        catalog_entry_from_point(point, &entry);
        return entry_insert(catalog, &entry, err);
}

int catalog_remove_point(struct catalog *catalog, const char *path, struct error **err)
{
        return run_with_text(catalog, "DELETE FROM entry WHERE path = ?", path, err);
}

int catalog_list(struct catalog *catalog, const char *vm, bool failed, struct catalog_list *ret,
                 struct error **err)
{
        _cleanup_catalog_list_ struct catalog_list list = { 0 };
        size_t room = 0;
        int row;
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(
                catalog,
                "SELECT " ENTRY_COLUMNS
                " FROM entry WHERE (?1 IS NULL OR vm = ?1) AND (?2 OR path IS NOT NULL) "
                "ORDER BY started DESC, path DESC, id DESC",
                err);

        if (!statement || database_bind_text(catalog, statement, 1, vm, err) < 0 ||
            database_bind_number(catalog, statement, 2, failed, err) < 0)
                return -1;
        while ((row = database_step(catalog, statement, err)) > 0) {
                if (list.count == room) {
                        room = room ? 2 * room : 64;
                        list.items = xrealloc_array(list.items, room, sizeof *list.items);
                }
                entry_read_row(statement, &list.items[list.count++]);
        }
        if (row < 0)
                return -1;
        *ret = list;
        list = (struct catalog_list){ 0 };
        return 0;
}

int catalog_get_pin(struct catalog *catalog, const char *vm, char **ret_uuid, char **ret_hypervisor,
                    struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement =
                database_prepare(catalog, "SELECT uuid, hypervisor FROM pin WHERE vm = ?", err);
        int row;

        if (!statement || database_bind_text(catalog, statement, 1, vm, err) < 0)
                return -1;
        row = database_step(catalog, statement, err);
        if (row < 0)
                return -1;
        *ret_uuid = row ? database_column_text(statement, 0) : NULL;
        if (ret_hypervisor)
                *ret_hypervisor = row ? database_column_text(statement, 1) : NULL;
        return 0;
}

int catalog_set_pin(struct catalog *catalog, const char *vm, const char *uuid,
                    const char *hypervisor, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement =
                database_prepare(catalog,
                                 "INSERT INTO pin (vm, uuid, hypervisor) VALUES (?, ?, ?) "
                                 "ON CONFLICT (vm) DO UPDATE SET uuid = excluded.uuid, hypervisor "
                                 "= excluded.hypervisor",
                                 err);

        if (!statement || database_bind_text(catalog, statement, 1, vm, err) < 0 ||
            database_bind_text(catalog, statement, 2, uuid, err) < 0 ||
            database_bind_text(catalog, statement, 3, hypervisor, err) < 0)
                return -1;
        return database_finish(catalog, statement, err);
}

/* VACUUM INTO does not sync what it wrote. */
static int sync_file(const char *path, struct error **err)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot write the copy of the catalog %s to the disk", path);
        return 0;
}

static int put_in_place(const char *from, const char *to, struct error **err)
{
        _cleanup_free_ char *directory = path_directory(to);
        _cleanup_close_ int dir_fd = fs_open_dir_at(AT_FDCWD, directory, err);

        if (dir_fd < 0)
                return -1;
        if (rename(from, to) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot rename the copy of the catalog %s to %s", from, to);
        return fs_sync_dir(dir_fd, directory, err);
}

int catalog_backup(struct catalog *catalog, const char *path, struct error **err)
{
        _cleanup_free_ char *part = xasprintf("%s.part", path);
        struct stat st;

        if (lstat(path, &st) == 0)
                return error_set(err, ERROR_REFUSED,
                                 "the catalog cannot be copied to %s, which exists already: choose "
                                 "a new file",
                                 path);
        if (unlink(part) < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot remove the unfinished copy %s", part);
        if (run_with_text(catalog, "VACUUM INTO ?", part, err) < 0 || sync_file(part, err) < 0 ||
            put_in_place(part, path, err) < 0) {
                unlink(part);
                return -1;
        }
        return 0;
}
