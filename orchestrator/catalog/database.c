/* Implements catalog/database.h. */
#include "catalog/database.h"

#include <string.h>

#include "base/memory.h"

static enum error_kind sqlite_error_kind(int result)
{
        switch (result & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return ERROR_BUSY;
        case SQLITE_FULL:
                return ERROR_NOSPACE;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return ERROR_CORRUPT;
        default:
                return ERROR_INTERNAL; /* refined by the errno where there is one */
        }
}

int database_error(struct catalog *catalog, int result, const char *what, struct error **err)
{
        enum error_kind kind = sqlite_error_kind(result);
        int errnum = (result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN
                             ? sqlite3_system_errno(catalog->db)
                             : 0;
        const char *advice =
                kind == ERROR_BUSY
                        ? " (another process has it open; check for a second orch on this share)"
                : kind == ERROR_CORRUPT ? " (`orch catalog rebuild` rebuilds it from the share)"
                                        : "";

        if (errnum > 0)
                return error_set_errno(err, kind, errnum, "%s in the catalog %s: %s", what,
                                       catalog->path, sqlite3_errmsg(catalog->db));
        return error_set(err, kind, "%s in the catalog %s: %s%s", what, catalog->path,
                         sqlite3_errmsg(catalog->db), advice);
}

int database_run(struct catalog *catalog, const char *sql, struct error **err)
{
        int result = sqlite3_exec(catalog->db, sql, NULL, NULL, NULL);
        return result == SQLITE_OK ? 0
                                   : database_error(catalog, result, "cannot run a statement", err);
}

sqlite3_stmt *database_prepare(struct catalog *catalog, const char *sql, struct error **err)
{
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);

        if (result != SQLITE_OK)
                database_error(catalog, result, "cannot prepare a statement", err);
        return statement;
}

int database_bind_text(struct catalog *catalog, sqlite3_stmt *statement, int index,
                       const char *text, struct error **err)
{
        int result = text ? sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC)
                          : sqlite3_bind_null(statement, index);
        return result == SQLITE_OK ? 0
                                   : database_error(catalog, result, "cannot bind a value", err);
}

int database_bind_number(struct catalog *catalog, sqlite3_stmt *statement, int index,
                         int64_t number, struct error **err)
{
        int result = sqlite3_bind_int64(statement, index, number);
        return result == SQLITE_OK ? 0
                                   : database_error(catalog, result, "cannot bind a value", err);
}

int database_step(struct catalog *catalog, sqlite3_stmt *statement, struct error **err)
{
        int result = sqlite3_step(statement);

        if (result == SQLITE_ROW)
                return 1;
        if (result == SQLITE_DONE)
                return 0;
        return database_error(catalog, result, "cannot read or write", err);
}

int database_finish(struct catalog *catalog, sqlite3_stmt *statement, struct error **err)
{
        return database_step(catalog, statement, err) < 0 ? -1 : 0;
}

char *database_column_text(sqlite3_stmt *statement, int column)
{
        return xstrdup((const char *)sqlite3_column_text(statement, column));
}

int database_begin(struct catalog *catalog, struct error **err)
{
        return database_run(catalog, "BEGIN IMMEDIATE", err);
}

int database_end(struct catalog *catalog, int work_result, struct error **err)
{
        if (work_result == 0 && database_run(catalog, "COMMIT", err) == 0)
                return 0;
        /* A commit that failed for lack of space leaves the transaction open too; after some other
         * failures SQLite has already rolled back. */
        if (!sqlite3_get_autocommit(catalog->db))
                sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
}
