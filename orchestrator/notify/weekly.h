/* The weekly summary, made from the ledger (notify/ledger.h) and the daemon's current state. Pure.
 */
#pragma once

#include "notify/ledger.h"
#include "notify/notice.h"

struct weekly_input {
        int64_t from; /* the period of the summary: from < end of a job <= to */
        int64_t to;
        /* of this period and of the week before it */
        const struct ledger *ledger;
        char *const *vms;      /* of the inventory, without `schedule: manual` */
        char *const *overdue;  /* "VM: reason" */
        char *const *unproven; /* VMs that no test-restore has booted */
        bool share_is_known;
        uint64_t free_bytes;
        uint64_t total_bytes;
        /* of the share at an earlier time, for the rate; 0 with free_before_at 0: not known */
        uint64_t free_before;
        int64_t free_before_at;
        int64_t next_cycle; /* 0: not known */
};

struct notice *weekly_notice(const struct weekly_input *input);

/* Days until the share is full, from the change of its free space since a time at least a day
 * before; without that, from what this week stored, as if nothing were ever removed. -1: it does
 * not fill up, or the rate is not known. */
int64_t weekly_days_left(const struct weekly_input *input, uint64_t stored_bytes);
