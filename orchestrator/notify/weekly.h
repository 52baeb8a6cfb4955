/* The summary of the week, made from what ran (notify/ledger.h) and what the daemon knows at that
 * moment. Pure. */
#pragma once

#include "notify/ledger.h"
#include "notify/notice.h"

struct weekly_input {
        int64_t from; /* the period that is told: from < end of a job <= to */
        int64_t to;
        /* of this period and the one before, which is as long as a week */
        const struct ledger *ledger;
        char *const *vms;      /* of the inventory, without `schedule: manual` */
        char *const *overdue;  /* "VM: reason" */
        char *const *unproven; /* VMs that no test restore has booted */
        bool share_is_known;
        uint64_t free_bytes;
        uint64_t total_bytes;
        /* of the share at a moment before, for the rate; 0 with free_before_at 0: not known */
        uint64_t free_before;
        int64_t free_before_at;
        int64_t next_cycle; /* 0: not known */
};

struct notice *weekly_notice(const struct weekly_input *input);

/* Days until the share is full: by how its free space has changed since a moment at least a day
 * before, else by what this week stored, as if nothing were ever removed. -1: it does not fill up,
 * or nothing is known. */
int64_t weekly_days_left(const struct weekly_input *input, uint64_t stored_bytes);
