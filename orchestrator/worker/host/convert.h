/* One long qemu-img on a hypervisor (convert -p, compare -p). It runs as a named unit, so that it
 * can be stopped from a new connection; its percentages are reported as progress, and it is ended
 * if it stops progressing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transports/hypervisor.h"
#include "worker/job/report.h"

struct convert {
        struct hypervisor *host;
        struct report *report;
        const char *unit;
        const char *what; /* for messages: "the copy of disk vda" */
        const char *disk; /* the disk named in progress reports */
        uint64_t total_bytes;
        unsigned stall_seconds;
        /* used instead once all data is copied and the host is still writing it back; 0: the
         * same */
        unsigned write_back_seconds;
        /* Called repeatedly, in addition to the checks for a cancel and a stall: whether to abort;
         * *ret_reason then says why. May be NULL. */
        bool (*must_end)(void *data, struct error **ret_reason);
        void *data;
};

/* Runs argv to its end. *ret_status is its exit status and *ret_errors its stderr (the caller
 * frees). -1 if it did not end by itself: ERROR_CANCELLED, ERROR_TIMEOUT after too long without
 * progress, the reason of must_end, or the connection's error. */
int convert_run(const struct convert *convert, const char *const argv[], int *ret_status,
                char **ret_errors, struct error **err) _must_check_;
