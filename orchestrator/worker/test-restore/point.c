/* The point of a test-restore: selects it, finds its parents, and verifies that it is left
 * unchanged (worker/test-restore/test-restore-internal.h).
 *
 * Metadata name files and are not trusted: names are checked before they become part of a path on
 * the hypervisor. */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/share-files.h"
#include "repository/staging.h"
#include "worker/host/test-traces.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"
#include "worker/test-restore/test-restore-internal.h"

enum { XML_MAX_BYTES = 4 * 1024 * 1024, LAYERS_MAX = 1000 };

static int test_restore_open_share(struct vm_job *job, struct error **err)
{
        job->repository = worker_open_repository(job->settings, job->request, err);
        return job->repository ? repository_check_holder(job->repository, getppid(), err) : -1;
}

static const struct metadata_disk *find_file(const struct point *point, const char *file)
{
        for (size_t i = 0; i < point->metadata->n_disks; i++)
                if (streq(point->metadata->disks[i].file, file))
                        return &point->metadata->disks[i];
        return NULL;
}

static void add_to_chain(struct test_restore *test, const struct point *point)
{
        for (size_t i = 0; i < test->n_chain; i++)
                if (test->chain[i] == point)
                        return;
        test->chain = xrealloc_array(test->chain, test->n_chain + 1, sizeof *test->chain);
        test->chain[test->n_chain++] = point;
}

/* Finds the point and its disk for "../<point>/<file>". */
static int follow_backing(const struct test_restore *test, const char *backing,
                          const struct point **ret_point, const struct metadata_disk **ret_disk,
                          struct error **err)
{
        const char *slash = str_starts_with(backing, "../") ? strchr(backing + 3, '/') : NULL;
        _cleanup_free_ char *name =
                slash ? xstrndup(backing + 3, (size_t)(slash - backing - 3)) : NULL;
        const struct point *point =
                name ? points_find_beside(&test->points, test->point, name) : NULL;
        if (!slash || !file_name_is_safe(slash + 1))
                return error_set(err, ERROR_CORRUPT,
                                 "a disk of %s builds on '%s', which is no file of a point",
                                 test->job.vm->name, backing);
        if (!point || !point->metadata || !(*ret_disk = find_file(point, slash + 1)))
                return error_set(err, ERROR_CORRUPT,
                                 "%s, which the point builds on, is not there or damaged; an older "
                                 "point: orch list %s",
                                 backing + 3, test->job.vm->name);
        *ret_point = point;
        return 0;
}

static int test_disk_add(struct test_restore *test, const struct metadata_disk *disk,
                         struct error **err)
{
        const struct point *point = test->point;
        test->disks = xrealloc_array(test->disks, test->n_disks + 1, sizeof *test->disks);
        struct test_disk *made = &test->disks[test->n_disks++];
        *made = (struct test_disk){ .target = xstrdup(disk->target) };
        for (size_t n = 0;; n++) {
                if (!disk->target || !name_is_safe(disk->target) || !disk->file ||
                    !file_name_is_safe(disk->file) || n == LAYERS_MAX)
                        return error_set(err, ERROR_CORRUPT,
                                         "the metadata of %s name a disk that cannot be one",
                                         point->path);
                strv_addf(&made->layers, "%s/%s", point->name, disk->file);
                add_to_chain(test, point);
                if (!disk->backing_file)
                        return 0;
                if (follow_backing(test, disk->backing_file, &point, &disk, err) < 0)
                        return -1;
        }
}

static int test_restore_take_lease(struct test_restore *test, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        for (size_t i = 0; i < test->n_chain; i++)
                strv_add(&names, test->chain[i]->name);
        test->lease = lease_take(test->job.repository, test->job.home, test->job.vm->name, names,
                                 test->job.request->job,
                                 test->options.keep ? LEASE_UNTIL_DROPPED : LEASE_OF_PROCESS, err);
        return test->lease ? 0 : -1;
}

/* Takes from the metadata what is known about the guest before it runs. */
static void learn_from_metadata(struct test_restore *test)
{
        const struct metadata *metadata = test->point->metadata;
        bool froze = streq(metadata->consistency, "filesystem");
        for (size_t i = 0; i < metadata->n_checks; i++)
                if (streq(metadata->checks[i].name, "guest-agent") &&
                    metadata->checks[i].verdict == CHECK_PASS)
                        froze = true;
        test->has_channel = strstr(test->xml, "org.qemu.guest_agent.0") != NULL;
        test->sight.agent_expected = test->has_channel && froze;
        test->sight.pattern_wanted = test->job.vm->boot_pattern != NULL;
        test->sight.kernel_from_host = strstr(test->xml, "<kernel>") != NULL;
        test->sight.deadline_ms = (int64_t)test->job.settings->test_restore.boot_seconds * 1000;
        xstrdup_replace(&test->job.metadata->level, metadata->level);
}

int test_restore_choose(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        if (test_restore_open_share(job, err) < 0 ||
            points_scan_named(job->repository, job->vm->name, &test->points, err) < 0)
                return -1;
        test->point = points_choose(&test->points, job->vm->name, test->options.point, err);
        if (!test->point)
                return -1;
        if (test->point->state.damaged || !test->point->metadata)
                return error_set(err, ERROR_CORRUPT,
                                 "%s is damaged (%s); `orch list %s` shows the others",
                                 test->point->path,
                                 test->point->state.damage ? test->point->state.damage
                                                           : "its metadata cannot be read",
                                 job->vm->name);
        job->home = xstrdup(test->point->hypervisor);
        job->point = xstrdup(test->point->name);
        for (size_t i = 0; i < test->point->metadata->n_disks; i++)
                if (test_disk_add(test, &test->point->metadata->disks[i], err) < 0)
                        return -1;
        if (!test->n_disks)
                return error_set(err, ERROR_REFUSED,
                                 "%s has no disks: there is nothing to boot from",
                                 test->point->path);
        if (test_restore_take_lease(test, err) < 0)
                return -1;
        size_t length = 0;
        _cleanup_free_ char *name = xasprintf("%s.xml", job->vm->name);
        test->xml = points_read_file(job->repository, test->point->path, name, XML_MAX_BYTES,
                                     &length, err);
        if (!test->xml)
                return -1;
        learn_from_metadata(test);
        report_step_end(job->report, STEP_DONE, "%s, %zu disks", test->point->path, test->n_disks);
        return 0;
}

static void test_point_on_bytes(uint64_t done, uint64_t total, void *data)
{
        report_progress(data, "read-point", done, total);
}

static int take_fingerprint(struct test_restore *test, const struct point *point,
                            struct fingerprint *ret, struct error **err)
{
        const struct staging_progress progress = { .on_bytes = test_point_on_bytes,
                                                   .cancelled = worker_cancelled,
                                                   .data = test->job.report };
        return fingerprint_take(test->job.repository, point->path, &progress, ret, err);
}

int test_restore_read_point(struct test_restore *test, struct error **err)
{
        test->before = xcalloc(test->n_chain, sizeof *test->before);
        uint64_t bytes = 0;
        size_t files = 0;
        for (size_t i = 0; i < test->n_chain; i++) {
                if (take_fingerprint(test, test->chain[i], &test->before[i], err) < 0)
                        return -1;
                bytes += test->before[i].bytes;
                files += test->before[i].count;
        }
        _cleanup_free_ char *size = format_bytes(bytes);
        report_check(test->job.report, CHECK_BEFORE, CHECK_NAME_POINT_WHOLE, CHECK_PASS,
                     "SHA-256 of %zu files, %s, of %zu points", files, size, test->n_chain);
        return 0;
}

int test_restore_compare_point(struct test_restore *test, struct error **err)
{
        for (size_t i = 0; i < test->n_chain; i++) {
                struct fingerprint now = { 0 };
                _cleanup_error_ struct error *error = NULL;
                int r = take_fingerprint(test, test->chain[i], &now, &error);
                _cleanup_free_ char *difference =
                        r < 0 ? xstrdup(error->message)
                              : fingerprint_compare(&test->before[i], &now);
                fingerprint_done(&now);
                if (r < 0 && error->kind != ERROR_CORRUPT)
                        return error_propagate(err, TAKE_PTR(error));
                if (!difference)
                        continue;
                test_restore_saw(test, CHECK_NAME_POINT_LEFT_ALONE, CHECK_FAIL, "%s: %s",
                                 test->chain[i]->path, difference);
                return error_set(err, ERROR_CORRUPT,
                                 "%s was changed while it was being tried: %s. Look at it with "
                                 "`orch verify`, and at who else can "
                                 "write to the share",
                                 test->chain[i]->path, difference);
        }
        test_restore_saw(
                test, CHECK_NAME_POINT_LEFT_ALONE, CHECK_PASS,
                "owner, mode, times and SHA-256 of every file are as before (%zu points%s)",
                test->n_chain, test->view_is_read_only ? ", seen through a read-only mount" : "");
        return 0;
}
