/* An SQLite connection as the catalog uses it: prepared statements, our errors. Within
 * orchestrator/catalog only. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "catalog/catalog.h"

struct catalog {
        sqlite3 *db;
        char *path;
        char *set_aside; /* see catalog_set_aside() */
};

/* The one place where SQLite's results become our errors: "<what> in the catalog <path>: <SQLite's
 * text>". Returns -1. */
int database_error(struct catalog *catalog, int result, const char *what, struct error **err);

/* Runs constant SQL that takes no values. */
int database_run(struct catalog *catalog, const char *sql, struct error **err) _must_check_;

/* Prepares one statement; the caller finalizes (_cleanup_statement_). */
sqlite3_stmt *database_prepare(struct catalog *catalog, const char *sql,
                               struct error **err) _must_check_;
/* NULL binds NULL. The text must stay valid until the statement has run. */
int database_bind_text(struct catalog *catalog, sqlite3_stmt *statement, int index,
                       const char *text, struct error **err) _must_check_;
int database_bind_number(struct catalog *catalog, sqlite3_stmt *statement, int index,
                         int64_t number, struct error **err) _must_check_;
/* 1: a row is there; 0: done; -1: failed. */
int database_step(struct catalog *catalog, sqlite3_stmt *statement,
                  struct error **err) _must_check_;
/* A step for statements that give no rows. */
int database_finish(struct catalog *catalog, sqlite3_stmt *statement,
                    struct error **err) _must_check_;
/* A column's text (NULL for NULL); the caller frees. */
char *database_column_text(sqlite3_stmt *statement, int column);

static inline _unused_ void database_statement_freep(sqlite3_stmt **statement)
{
        sqlite3_finalize(*statement);
}
#define _cleanup_statement_ _cleanup_(database_statement_freep)

/* A transaction. Its end is in one place, so that no path leaves a transaction open: `return
 * database_end(catalog, work(…), err)` commits when the work returned 0 and rolls back otherwise.
 */
int database_begin(struct catalog *catalog, struct error **err) _must_check_;
int database_end(struct catalog *catalog, int work_result, struct error **err) _must_check_;
