/* Jobs, their ids and their logs, which outlive the daemon. */
#include "daemon/state/jobs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"

static char folder[] = "/tmp/orch-jobs-test-XXXXXX";

static void make_folder(void)
{
        cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, folder, NULL), 0);
}

TestSuite(jobs, .init = make_folder, .fini = remove_folder);

static char *read_log(struct jobs *jobs, struct job *job)
{
        struct strbuf out = { 0 };
        char chunk[4096];
        struct stream *stream = jobs_open_log(jobs, job, false, "{\"event\":\"end\"}");
        for (ssize_t n; (n = stream_read(stream, chunk, sizeof chunk)) > 0;)
                strbuf_append(&out, chunk, (size_t)n);
        stream_free(stream);
        return strbuf_take(&out);
}

Test(jobs, ids_have_the_date_and_are_unique)
{
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        _cleanup_free_ char *now = clock_format_local(clock_realtime_s());
        for (int i = 0; i < 2000; i++) {
                struct job *job = jobs_add(jobs, JOB_BACKUP, "vm", NULL);
                cr_assert_eq(strlen(job->id), strlen("20261120-3f9a"));
                cr_assert_eq(strncmp(job->id, now, 4), 0);
                cr_assert_eq(jobs_find(jobs, job->id), job);
                jobs_end(jobs, job, NULL);
        }
        cr_assert_eq(jobs->count, JOBS_KEPT, "old ones are forgotten");
}

Test(jobs, a_log_survives_a_restart_and_has_no_progress)
{
        char id[24];
        {
                _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
                struct job *job = jobs_add(jobs, JOB_BACKUP, "db-1", "host-1");
                memcpy(id, job->id, sizeof id);
                job_add_line(job,
                             "{\"event\":\"queued\",\"vm\":\"db-1\",\"hypervisor\":\"host-1\"}",
                             NULL);
                job_add_line(job, "{\"event\":\"progress\"}", "key");
                job_add_line(job, "{\"event\":\"result\"}", NULL);
        }
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        struct job *job = jobs_find(jobs, id);
        cr_assert(job);
        cr_assert_eq(job->state, JOB_ENDED);
        cr_assert_eq(jobs_find_newest(jobs, "db-1"), job);
        _cleanup_free_ char *log = read_log(jobs, job);
        cr_assert_str_eq(log, "{\"event\":\"queued\",\"vm\":\"db-1\",\"hypervisor\":\"host-1\"}\n{"
                              "\"event\":\"result\"}\n{\"event\":\"end\"}\n");
}

static size_t count_descriptors(void)
{
        size_t count = 0;
        for (int fd = 0; fd < 1024; fd++)
                count += fcntl(fd, F_GETFD) >= 0;
        return count;
}

/* A cycle over thousands of VMs has as many jobs waiting, and a process has a thousand
 * descriptors. */
Test(jobs, those_that_wait_hold_no_descriptors)
{
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        size_t before = count_descriptors();
        for (int i = 0; i < 100; i++)
                job_add_line(jobs_add(jobs, JOB_BACKUP, "vm", NULL), "{\"event\":\"queued\"}",
                             NULL);
        cr_assert_eq(count_descriptors(), before);
}

Test(jobs, old_logs_go)
{
        _cleanup_free_ char *old = xasprintf("%s/jobs/20200101-00ff.jsonl", folder);
        _cleanup_free_ char *other = xasprintf("%s/jobs/README", folder);
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        const struct timespec times[2] = { { .tv_sec = 1577836800 }, { .tv_sec = 1577836800 } };
        cr_assert_eq(fs_write_file(old, 0600, "x", 1, NULL), 0);
        cr_assert_eq(fs_write_file(other, 0600, "x", 1, NULL), 0);
        cr_assert_eq(utimensat(AT_FDCWD, old, times, 0), 0);
        cr_assert_eq(utimensat(AT_FDCWD, other, times, 0), 0);
        jobs_prune_logs(jobs, clock_realtime_s());
        cr_assert_lt(access(old, F_OK), 0);
        cr_assert_eq(access(other, F_OK), 0, "only logs are removed");
}

Test(jobs, a_log_is_cut_short_at_its_limit)
{
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        struct job *job = jobs_add(jobs, JOB_BACKUP, "vm", NULL);
        _cleanup_free_ char *line = xmalloc(100001);
        memset(line, 'x', 100000);
        line[100000] = '\0';
        for (int i = 0; i < 100; i++)
                job_add_line(job, line, NULL);
        _cleanup_free_ char *path = xasprintf("%s/jobs/%s.jsonl", folder, job->id);
        struct stat st;
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_leq(st.st_size, (off_t)JOB_LOG_MAX_BYTES);
        cr_assert_gt(st.st_size, (off_t)JOB_LOG_MAX_BYTES / 2);
}

Test(jobs, without_a_file_the_newest_lines_are_in_memory)
{
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, jobs->folder, NULL), 0);
        struct job *job = jobs_add(jobs, JOB_BACKUP, "vm", NULL);
        for (int i = 0; i < 5000; i++) {
                _cleanup_free_ char *line = xasprintf("{\"event\":\"log\",\"n\":%d}", i);
                job_add_line(job, line, NULL);
        }
        cr_assert_leq(job->memory_log.length, JOB_MEMORY_LOG_MAX_BYTES);
        _cleanup_free_ char *log = read_log(jobs, job);
        cr_assert(str_ends_with(log, "{\"event\":\"log\",\"n\":4999}\n{\"event\":\"end\"}\n"));
        cr_assert_eq(log[0], '{');
}

Test(jobs, following_gives_what_was_and_what_comes)
{
        _cleanup_(jobs_freep) struct jobs *jobs = jobs_new(folder, NULL);
        struct job *job = jobs_add(jobs, JOB_BACKUP, "vm", NULL);
        job_add_line(job, "before", NULL);
        struct stream *stream = jobs_open_log(jobs, job, true, "unused");
        job_add_line(job, "after", NULL);
        jobs_end(jobs, job, "the end");
        char text[100] = "";
        ssize_t n;
        for (size_t done = 0; (n = stream_read(stream, text + done, sizeof text - 1 - done)) > 0;)
                done += (size_t)n;
        cr_assert_eq(n, -1);
        cr_assert_str_eq(text, "before\nafter\nthe end\n");
        stream_free(stream);
}
