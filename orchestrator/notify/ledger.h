/* The ledger of backups on local disk, for the weekly summary: one line of JSON for each backup
 * that ended, whatever triggered it. It does not need the share, so the summary can be sent while
 * the share is unavailable. A line that a crash cut off is skipped. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Days kept: what a summary and its comparison with the week before need. Older lines are dropped.
 */
#define LEDGER_DAYS 16
#define LEDGER_WARNINGS_MAX 5

struct ledger_row {
        char *vm;
        char *hypervisor; /* NULL: not known */
        char *job;
        char *status; /* "ok", "failed", "cancelled", "skipped" */
        char *error;  /* the reason when it is not ok; NULL: none given */
        char **warnings;
        uint64_t stored_bytes;
        int64_t started; /* 0: it never began */
        int64_t finished;
};

struct ledger {
        struct ledger_row *rows; /* in the order they ended */
        size_t count;
};
void ledger_done(struct ledger *ledger);
#define _cleanup_ledger_ _cleanup_(ledger_done)

int ledger_append(const char *path, const struct ledger_row *row, struct error **err) _must_check_;
/* Reads the whole file; a missing file is an empty ledger. ledger_done() frees. */
int ledger_read(const char *path, struct ledger *ret, struct error **err) _must_check_;
/* Rewrites the file without lines of jobs that ended more than LEDGER_DAYS before `now`. */
int ledger_prune(const char *path, int64_t now, struct error **err) _must_check_;
