/* A catalog in a temporary folder, and entries and points to put into it. */
#pragma once

#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/strings.h"
#include "catalog/catalog.h"

/* Every test that names it as .init/.fini has `folder`, an empty one, and `file`, the catalog's
 * path in it. */
extern char *folder, *file;
void make_folder(void);
void remove_folder(void);

/* Fail the test with the error's message. */
#define assert_ok(call)                                                      \
        do {                                                                 \
                _cleanup_error_ struct error *assert_error_ = NULL;          \
                struct error **err = &assert_error_;                         \
                cr_assert_eq((call), 0, "%s", error_message(assert_error_)); \
        } while (0)

/* Opens `file`. */
struct catalog *open_catalog(bool expect_rebuild);

/* A good point, or a job that failed ("failed"), or was cancelled. Owned by the caller:
 * catalog_entry_done(). */
struct catalog_entry make_entry(const char *vm, int64_t started, const char *status);
void record(struct catalog *catalog, const char *vm, int64_t started, const char *status);

/* A point of the share with the metadata of a full backup. */
struct point make_point(const char *vm, int64_t started);
/* All of them have to come from make_point(). */
void add_point(struct point_list *points, struct point point);
void free_points(struct point_list *points);

/* The paths of all points, newest first, a job without a point as its job: "hv/a/3 job-2 …". The
 * caller frees. */
char *list_text(struct catalog *catalog, const char *vm, bool failed);
/* One value of a statement, read past the catalog's back; the caller frees. The catalog must be
 * closed. */
char *query_text(const char *path, const char *sql);
void run_sql(const char *path, const char *sql);
/* How many files of the folder begin so. */
size_t count_files(const char *prefix);
