/* The one table of an entry's fields, for its columns, its JSON and its release. Within
 * orchestrator/catalog only. */
#pragma once

#include <sqlite3.h>

#include "catalog/database.h"
#include "schema/json/json-fields.h"

/* In the order of ENTRY_COLUMNS; ended by an entry without a name. */
extern const struct json_field catalog_entry_fields[];

#define ENTRY_COLUMNS                                                                       \
        "vm, hypervisor, point, job, status, level, method, consistency, path, uuid, "      \
        "virtual_bytes, stored_bytes, started, "                                            \
        "finished, duration_seconds, freeze_milliseconds, parent, held, verified, proven, " \
        "proof_at, proof, "                                                                 \
        "proof_reason, boot_milliseconds, proof_evidence, warnings, error, error_kind"

/* Fills an entry from a row of `SELECT ENTRY_COLUMNS …`. */
void entry_read_row(sqlite3_stmt *statement, struct catalog_entry *ret);
/* Whether two entries are equal in every field. */
bool entry_equal(const struct catalog_entry *a, const struct catalog_entry *b);
/* Inserts it, replacing an entry of the same path. */
int entry_insert(struct catalog *catalog, const struct catalog_entry *entry,
                 struct error **err) _must_check_;
