/* Verifies the disks' checksums while the disks are copied, for a point whose files were not
 * modified since the whole chain was last verified. Only the storage can have damaged such a point,
 * and the damage is reported before any file is moved into place. The chain of any other point is
 * read completely before a byte is copied (point.c).
 *
 * One thread reads. It borrows the share and the points of this restore, which do not change
 * meanwhile, and reports its progress through counters. The restore's own thread learns of its end
 * by dispatching its work, and only that thread reports and decides. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/work-thread.h"
#include "repository/staging.h"
#include "worker/job/cancel.h"
#include "worker/restore/restore-internal.h"

enum { ASK_MS = 100, END_MS = 2000 };

struct restore_reading {
        struct work_thread *thread;
        bool ended; /* true: the fields that follow belong to the restore's thread */
        /* Borrowed: */
        struct repository *repository;
        struct point_list points;
        /* Owned by the thread: */
        const struct point **chain; /* oldest first */
        size_t count;
        uint64_t before_bytes; /* of the points before the one that is being read */
        const struct point *damaged;
        char **damage;
        struct error *error;
        /* Shared: */
        atomic_bool stop;
        atomic_uint_fast64_t done_bytes;
        uint64_t total_bytes;
};

static void reading_on_bytes(uint64_t done, uint64_t total _unused_, void *data)
{
        struct restore_reading *reading = data;
        atomic_store(&reading->done_bytes, reading->before_bytes + done);
}

static bool is_stopped(void *data)
{
        const struct restore_reading *reading = data;
        return atomic_load(&reading->stop);
}

/* Runs on the thread. It stops at the first point that is not whole. */
static void read_disks(void *data)
{
        struct restore_reading *reading = data;
        const struct staging_progress progress = { .on_bytes = reading_on_bytes,
                                                   .cancelled = is_stopped,
                                                   .data = reading };
        for (size_t i = 0; i < reading->count && !reading->damage; i++) {
                uint64_t bytes = 0;
                reading->damaged = reading->chain[i];
                if (points_verify(reading->repository, reading->chain[i], &reading->points,
                                  POINTS_DISKS_ONLY, &progress, &bytes, &reading->damage,
                                  &reading->error) < 0)
                        return;
                reading->before_bytes += bytes;
        }
}

static void on_end(void *data)
{
        struct restore_reading *reading = data;
        reading->ended = true;
}

static void reading_free(struct restore_reading *reading)
{
        error_free(reading->error);
        strv_free(reading->damage);
        free(reading->chain);
        free(reading);
}

int restore_begin_reading(struct restore *restore, struct error **err)
{
        struct work_thread *thread = work_thread_new(err);
        if (!thread)
                return -1;
        struct restore_reading *reading = xcalloc(1, sizeof *reading);
        reading->thread = thread;
        reading->repository = restore->job.repository;
        reading->points = restore->points;
        reading->count = strv_length(restore->chain);
        reading->chain = xcalloc(reading->count, sizeof *reading->chain);
        for (size_t i = 0; i < reading->count; i++) {
                reading->chain[i] = restore_chain_point(restore, reading->count - 1 - i);
                reading->total_bytes += metadata_stored_bytes(reading->chain[i]->metadata);
        }
        restore->reading = reading;
        work_thread_post(thread, read_disks, on_end, reading);
        return 0;
}

/* The result so far: 0, or -1 with the error once the reading has failed. The result can be asked
 * for repeatedly, because a copy that ends at the same time discards the error that it was
 * given. */
static int reading_judge(struct restore *restore, struct error **err)
{
        struct restore_reading *reading = restore->reading;
        work_thread_dispatch(reading->thread);
        if (!reading->ended)
                return 0;
        if (reading->damage)
                return restore_refuse_damaged(restore, reading->damaged, reading->damage, err);
        return reading->error ? error_set(err, reading->error->kind, "%s", reading->error->message)
                              : 0;
}

bool restore_reading_failed(void *data, struct error **ret_reason)
{
        struct restore *restore = data;
        return restore->reading && reading_judge(restore, ret_reason) < 0;
}

/* Waits until the reading has ended, or no longer progresses. */
static int await_reading(struct restore *restore, struct error **err)
{
        struct restore_reading *reading = restore->reading;
        unsigned patience_s = restore->job.settings->limits.copy_stall_seconds;
        struct deadline stall = deadline_in_ms((int64_t)patience_s * 1000);
        uint64_t seen = 0;
        for (;;) {
                if (worker_check_cancelled(err) < 0 || reading_judge(restore, err) < 0)
                        return -1;
                if (reading->ended)
                        return 0;
                uint64_t done = atomic_load(&reading->done_bytes);
                if (done > seen)
                        stall = deadline_in_ms((int64_t)patience_s * 1000);
                seen = done;
                if (deadline_passed(stall))
                        return error_set(err, ERROR_TIMEOUT,
                                         "reading %s back has not moved for %u s: the share does "
                                         "not answer at %s",
                                         restore->point->name, patience_s,
                                         repository_path(restore->job.repository));
                report_progress(restore->job.report, "checksums", done, reading->total_bytes);
                struct pollfd ended = { .fd = work_thread_fd(reading->thread), .events = POLLIN };
                (void)poll(&ended, 1, ASK_MS);
        }
}

int restore_end_reading(struct restore *restore, struct error **err)
{
        if (!restore->reading)
                return 0;
        report_step(restore->job.report, STEP_NAME_CHECKSUMS);
        if (await_reading(restore, err) < 0)
                return -1;
        restore_tell_checksums(restore, CHECK_AFTER, restore->reading->before_bytes);
        return 0;
}

bool restore_stop_reading(struct restore *restore)
{
        struct restore_reading *reading = restore->reading;
        if (!reading)
                return true;
        atomic_store(&reading->stop, true);
        if (!work_thread_stop(TAKE_PTR(reading->thread), END_MS))
                return false;
        reading_free(reading);
        restore->reading = NULL;
        return true;
}
