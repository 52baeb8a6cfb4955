/* What a test-restore keeps: the screen and the console as files in the point's folder proof, the
 * verdict in its state.json (worker/test-restore/test-restore-internal.h). Evidence that cannot be
 * obtained is reported as missing and does not change the verdict. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/test-traces.h"
#include "worker/test-restore/scripts.h"
#include "worker/test-restore/test-restore-internal.h"

enum { SCREENSHOT_MS = 60 * 1000, SCREENSHOT_MAX_BYTES = 32 * 1024 * 1024 };

struct picture {
        struct strbuf data;
};

static void take_picture(const char *data, size_t length, void *pointer)
{
        struct picture *picture = pointer;
        if (picture->data.length + length <= SCREENSHOT_MAX_BYTES)
                strbuf_append(&picture->data, data, length);
}

/* QEMU writes PNM, newer versions write PNG. */
static const char *picture_name(const struct picture *picture)
{
        static const char png[] = "\x89PNG";
        if (picture->data.length > 8 && memcmp(picture->data.data, png, 4) == 0)
                return "screenshot.png";
        return picture->data.length > 8 && memcmp(picture->data.data, "P6", 2) == 0
                       ? "screenshot.ppm"
                       : NULL;
}

static int evidence_save(struct test_restore *test, const char *name, const void *data,
                         size_t length, struct error **err)
{
        return points_write_proof(test->job.repository, test->point->path, name, data, length, err);
}

static void save_screenshot(struct test_restore *test)
{
        struct vm_job *job = &test->job;
        const char *const argv[] = {
                "sh", "-c", take_screenshot_script, "orch-screenshot", test->name, test->work, NULL
        };
        struct picture picture = { 0 };
        struct exec_options options = { .timeout_ms = SCREENSHOT_MS,
                                        .on_output = take_picture,
                                        .data = &picture };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        static const char *const names[] = { "screenshot.png", "screenshot.ppm" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (evidence_save(test, names[i], NULL, 0, &error) < 0)
                        break;
        if (!error)
                (void)job->host->ops->exec(job->host, argv, &options, &result, &error);
        const char *name = !error && result.status == 0 ? picture_name(&picture) : NULL;
        if (name &&
            evidence_save(test, name, picture.data.data, picture.data.length, &error) == 0) {
                test_restore_saw(test, CHECK_NAME_SCREENSHOT, CHECK_PASS, POINT_PROOF_FOLDER "/%s",
                                 name);
        } else {
                _cleanup_free_ char *why = str_one_line(error           ? error->message
                                                        : result.errors ? result.errors
                                                                        : "",
                                                        200);
                test_restore_saw(test, CHECK_NAME_SCREENSHOT, CHECK_SKIP, "none%s%s",
                                 *why ? ": " : "", why);
        }
        strbuf_done(&picture.data);
}

static void save_console(struct test_restore *test)
{
        _cleanup_error_ struct error *error = NULL;
        bool any = test->console.length > 0;
        if (evidence_save(test, "console.log", any ? test->console.data : NULL,
                          test->console.length, &error) < 0)
                test_restore_saw(test, CHECK_NAME_CONSOLE_LOG, CHECK_SKIP, "not saved: %s",
                                 error->message);
        else
                test_restore_saw(test, CHECK_NAME_CONSOLE_LOG, any ? CHECK_PASS : CHECK_SKIP, "%s",
                                 any ? POINT_PROOF_FOLDER "/console.log" : "nothing was on it");
}

void test_restore_save_evidence(struct test_restore *test)
{
        save_console(test);
        if (test->sight.ended)
                test_restore_saw(test, CHECK_NAME_SCREENSHOT, CHECK_SKIP, "none: it had ended");
        else
                save_screenshot(test);
}

/* Sorts the strongest evidence first: a test command's result is obtained after the signs of the
 * boot and proves more. The caller frees. */
static char **by_strength(char *const *evidence)
{
        char **sorted = NULL;
        for (int rank = 0; rank <= 2; rank++)
                for (size_t i = 0; evidence && evidence[i]; i++) {
                        bool is_agent = str_starts_with(evidence[i], "agent: ");
                        bool is_test = str_starts_with(evidence[i], "test-command: ");
                        if (rank == (is_agent ? 0 : is_test ? 1 : 2))
                                strv_add(&sorted, evidence[i]);
                }
        return sorted;
}

static void proof_apply(struct point_state *state, void *data)
{
        const struct test_restore *test = data;
        bool proven = test->booted && test->tests_passed;
        state->proof_at = clock_realtime_s();
        state->proven = proven ? state->proof_at : 0;
        xstrdup_replace(&state->proof, proven         ? "booted"
                                       : test->booted ? "tests-failed"
                                                      : "not-bootable");
        xstrdup_replace(&state->proof_reason, test->reason);
        xstrdup_replace(&state->proof_job, test->job.request->job);
        state->boot_milliseconds = test->up_ms;
        strv_free(state->proof_evidence);
        state->proof_evidence = by_strength(test->evidence);
}

int test_restore_record(struct test_restore *test, struct error **err)
{
        _cleanup_point_state_ struct point_state state = { 0 };
        if (points_change_state(test->job.repository, test->point->path, proof_apply, test, &state,
                                err) < 0)
                return error_prefix(err, "the verdict cannot be written into state.json");
        report_state(test->job.report, test->point->path, &state);
        return 0;
}
