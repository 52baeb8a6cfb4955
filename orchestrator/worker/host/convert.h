/* One long qemu-img on a hypervisor (convert -p, compare -p): run as a named unit, so that it can
 * be stopped from a new connection, its percentages told as progress, and ended when it moves
 * nothing any more. */
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
        const char *disk; /* that progress is told of */
        uint64_t total_bytes;
        unsigned stall_seconds;
        /* instead, once all is moved and the host still writes what it has in memory; 0: the
         * same */
        unsigned write_back_seconds;
        /* Asked again and again, beside cancelling and stalling: whether to give up, *ret_reason
         * then says why. May be NULL. */
        bool (*must_end)(void *data, struct error **ret_reason);
        void *data;
};

/* Runs argv to its end. *ret_status is its exit status and *ret_errors its stderr (the caller
 * frees). -1 when it did not get that far: ERROR_CANCELLED, ERROR_TIMEOUT when it has moved nothing
 * for as long as it may, the reason of must_end, or what the connection says. */
int convert_run(const struct convert *convert, const char *const argv[], int *ret_status,
                char **ret_errors, struct error **err) _must_check_;
