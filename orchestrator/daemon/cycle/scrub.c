/* Implements daemon/cycle/scrub.h: makes candidates of the rows and a job of the choice of
 * policies/scrub.h. The reading speed is taken from the last point that was read. */
#include "daemon/cycle/scrub.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "policies/scrub.h"
#include "schema/records/verify-options.h"

/* Assumed until a point was read: that of a slow share, so that the budget is not exceeded. */
#define ASSUMED_BYTES_PER_SECOND (UINT64_C(50) << 20)

static const char *row_text(const json_t *row, const char *name)
{
        const char *text = json_string_value(json_object_get(row, name));
        return text ? text : "";
}

static int64_t time_of(const json_t *row, const char *name)
{
        int64_t when = 0;
        return clock_parse_rfc3339(row_text(row, name), &when) ? when : 0;
}

static struct scrub_candidate make_candidate(const json_t *row, char *const *tried)
{
        int64_t verified = time_of(row, "verified");
        json_int_t bytes = json_integer_value(json_object_get(row, "stored_bytes"));
        return (struct scrub_candidate){
                .known_whole = verified ? verified : time_of(row, "finished"),
                .stored_bytes = bytes > 0 ? (uint64_t)bytes : 0,
                .damaged = !streq(row_text(row, "status"), "ok"),
                .tried = strv_contains(tried, row_text(row, "path")),
        };
}

static struct job *make_job(struct daemon *daemon, const json_t *row)
{
        const struct verify_options options = { .point = (char *)row_text(row, "point"),
                                                .alone = true };
        struct job *job =
                runner_new_job(daemon, JOB_VERIFY, JOB_CLASS_AFTER, row_text(row, "vm"), NULL);
        xstrdup_replace(&job->hypervisor, NULL);
        job->beside = true;
        job->options = verify_options_to_json(&options);
        return job;
}

static struct job *next_scrub(struct daemon *daemon, const json_t *points,
                              const struct after_cycle_budget *budget, char **ret_about)
{
        size_t count = json_array_size(points);
        _cleanup_free_ struct scrub_candidate *candidates = xcalloc(count + 1, sizeof *candidates);
        for (size_t i = 0; i < count; i++)
                candidates[i] = make_candidate(json_array_get(points, i), budget->tried);
        const struct scrub_budget left = {
                .whole_seconds = budget->whole_seconds,
                .left_seconds = budget->left_seconds,
                .first = !budget->tried,
                .bytes_per_second = daemon->scrub_bytes_per_second ? daemon->scrub_bytes_per_second
                                                                   : ASSUMED_BYTES_PER_SECOND,
        };
        int chosen = scrub_choose(candidates, count, &left);
        if (chosen < 0)
                return NULL;
        const json_t *row = json_array_get(points, (size_t)chosen);
        *ret_about = xstrdup(row_text(row, "path"));
        return make_job(daemon, row);
}

/* A verification of less than a second is too short to measure the speed. */
static void note_read_speed(struct daemon *daemon, const json_t *points, const struct job *job,
                            const char *about)
{
        int64_t seconds = job->started ? job->ended - job->started : 0;
        if (job->outcome != JOB_OUTCOME_OK || seconds < 1)
                return;
        for (size_t i = 0; i < json_array_size(points); i++) {
                const json_t *row = json_array_get(points, i);
                json_int_t bytes = json_integer_value(json_object_get(row, "stored_bytes"));
                if (streq(row_text(row, "path"), about) && bytes / seconds > 0)
                        daemon->scrub_bytes_per_second = (uint64_t)(bytes / seconds);
        }
}

static unsigned scrub_budget_minutes(const struct settings *settings)
{
        return settings->verify.budget_minutes;
}

const struct after_cycle_work scrub_work = {
        .what = "points verified",
        .budget_minutes = scrub_budget_minutes,
        .next = next_scrub,
        .ended = note_read_speed,
};
