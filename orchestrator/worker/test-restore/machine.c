/* The files of a test-restore's domain: its folder, disks and firmware state
 * (worker/test-restore/test-restore-internal.h).
 *
 * The point is read through a read-only bind mount in the domain's own folder if the host allows
 * one. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "repository/share-files.h"
#include "worker/host/scripts.h"
#include "worker/host/test-traces.h"
#include "worker/job/cancel.h"
#include "worker/test-restore/scripts.h"
#include "worker/test-restore/test-restore-internal.h"

enum {
        COMMAND_MS = 60 * 1000,
        COPY_LONGEST_MS = 7 * 24 * 3600 * 1000,
        SIGN_OF_LIFE_MS = 60 * 1000
};

static int undo_machine(void *data, struct error **err)
{
        struct test_restore *test = data;
        struct vm_job *job = &test->job;
        if (vm_job_ensure_connection(job, err) < 0)
                return -1;
        return test_traces_remove(job->host, test->name, job->host_entry->scratch, err);
}

static int make_folder(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        _cleanup_free_ char *points =
                xasprintf("%s/%s/%s", job->host_repository, job->home, job->vm->name);
        job->uuid = uuid_new(err);
        if (!job->uuid)
                return -1;
        const char *const argv[] = {
                "sh",       "-c",          prepare_folder_script, "orch-prepare",
                test->work, job->vm->name, job->request->job,     job->uuid,
                points,     NULL
        };
        _cleanup_free_ char *output = NULL;
        undo_push(&job->undo, UNDO_NAME_TEST_DOMAIN, undo_machine, test);
        if (hypervisor_run(job->host, argv, COMMAND_MS, &output, err) < 0)
                return -1;
        test->view_is_read_only = streq(output, "read-only");
        test->base = test->view_is_read_only ? path_join(test->work, "point") : TAKE_PTR(points);
        report_check(job->report, CHECK_BEFORE, CHECK_NAME_READ_ONLY_VIEW,
                     test->view_is_read_only ? CHECK_PASS : CHECK_WARN, "%s",
                     test->view_is_read_only
                             ? "the points are mounted read-only for the test domain"
                             : "the host does not allow a read-only mount: the points are read as "
                               "they are mounted");
        return 0;
}

char *test_restore_disk_path(const struct test_restore *test, const struct test_disk *disk)
{
        return xasprintf("%s/%s.qcow2", test->work, disk->target);
}

static int make_overlay(struct test_restore *test, const struct test_disk *disk, struct error **err)
{
        _cleanup_free_ char *base = path_join(test->base, disk->layers[0]);
        _cleanup_free_ char *path = test_restore_disk_path(test, disk);
        const char *const argv[] = { "sh", "-c", overlay_create_script, "orch-overlay", base,
                                     path, NULL };
        return hypervisor_run(test->job.host, argv, COMMAND_MS, NULL, err);
}

struct full_copy {
        struct report *report;
        const char *target;
        int64_t told_ms;
};

/* Any output of qemu-img is progress, because it only prints when it has advanced. */
static void on_copying(const char *data _unused_, size_t length _unused_, void *pointer)
{
        struct full_copy *copy = pointer;
        int64_t now = clock_monotonic_ms();
        if (now - copy->told_ms < SIGN_OF_LIFE_MS)
                return;
        copy->told_ms = now;
        report_log(copy->report, "disk %s is being copied", copy->target);
}

static int make_copy(struct test_restore *test, const struct test_disk *disk, struct error **err)
{
        struct vm_job *job = &test->job;
        _cleanup_free_ char *base = path_join(test->base, disk->layers[0]);
        _cleanup_free_ char *path = test_restore_disk_path(test, disk);
        _cleanup_free_ char *unit = xasprintf("%s-copy", job->tag);
        const char *const argv[] = { "sh", "-c", copy_test_disk_script, "orch-copy", base,
                                     path, NULL };
        struct full_copy copy = { .report = job->report,
                                  .target = disk->target,
                                  .told_ms = clock_monotonic_ms() };
        struct exec_options options = { .timeout_ms = COPY_LONGEST_MS,
                                        .unit = unit,
                                        .on_output = on_copying,
                                        .cancelled = worker_cancelled,
                                        .data = &copy };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (job->host->ops->exec(job->host, argv, &options, &result, err) < 0)
                return error_prefix(err, "the copy of disk %s", disk->target);
        if (result.status == 0)
                return 0;
        _cleanup_free_ char *said = str_one_line(result.errors ? result.errors : "", 400);
        return error_set(err, strstr(said, "No space left") ? ERROR_NOSPACE : ERROR_INTERNAL,
                         "the copy of disk %s to %s failed on %s (status %d): %s", disk->target,
                         path, job->host->name, result.status, said);
}

static int place_firmware(struct test_restore *test, struct error **err)
{
        const struct metadata *metadata = test->point->metadata;
        if (!metadata->nvram_file && !metadata->tpm_folder)
                return 0;
        if ((metadata->nvram_file && !file_name_is_safe(metadata->nvram_file)) ||
            (metadata->tpm_folder && !file_name_is_safe(metadata->tpm_folder)))
                return error_set(err, ERROR_CORRUPT,
                                 "the metadata of %s name firmware files that cannot be",
                                 test->point->path);
        _cleanup_free_ char *point = path_join(test->base, test->point->name);
        _cleanup_free_ char *nvram = path_join(test->work, "nvram.fd");
        const char *const argv[] = { "sh",
                                     "-c",
                                     place_firmware_script,
                                     "orch-firmware",
                                     point,
                                     metadata->nvram_file ? metadata->nvram_file : "",
                                     nvram,
                                     metadata->tpm_folder ? metadata->tpm_folder : "",
                                     test->job.uuid,
                                     NULL };
        return hypervisor_run(test->job.host, argv, COMMAND_MS, NULL, err) < 0
                       ? error_prefix(err, "firmware state")
                       : 0;
}

int test_restore_prepare(struct test_restore *test, struct error **err)
{
        if (make_folder(test, err) < 0)
                return -1;
        for (size_t i = 0; i < test->n_disks; i++)
                if ((test->options.full ? make_copy(test, &test->disks[i], err)
                                        : make_overlay(test, &test->disks[i], err)) < 0)
                        return -1;
        if (place_firmware(test, err) < 0)
                return -1;
        report_step_end(test->job.report, STEP_DONE, "%zu disks %s", test->n_disks,
                        test->options.full ? "copied"
                                           : "straight from the point, through overlays");
        return 0;
}
