/* Implements daemon/state/jobs.h. Logs are local files, written line by line with plain write(2);
 * one that cannot be written costs the log, never the job. */
#include "daemon/state/jobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/state/stream-lines.h"
#include "schema/json/json-fields.h"

static struct job *job_free(struct job *job)
{
        if (!job)
                return NULL;
        stream_set_end(&job->followers, NULL);
        free(job->vm);
        free(job->hypervisor);
        free(job->method);
        free(job->level);
        json_decref(job->options);
        free(job->step);
        free(job->failed_step);
        free(job->failed_check);
        free(job->progress.disk);
        free(job->error);
        free(job->path);
        free(job->point);
        strv_free(job->warnings);
        strv_free(job->removed);
        free(job->log_path);
        strbuf_done(&job->memory_log);
        free(job);
        return NULL;
}

struct jobs *jobs_free(struct jobs *jobs)
{
        if (!jobs)
                return NULL;
        for (size_t i = 0; i < jobs->count; i++)
                job_free(jobs->items[i]);
        free(jobs->items);
        free(jobs->folder);
        free(jobs);
        return NULL;
}

static char *log_path(const struct jobs *jobs, const char *id)
{
        return xasprintf("%s/%s.jsonl", jobs->folder, id);
}

static struct job *append_job(struct jobs *jobs)
{
        struct job *job = xcalloc(1, sizeof *job);
        jobs->items = xrealloc_array(jobs->items, jobs->count + 1, sizeof *jobs->items);
        jobs->items[jobs->count++] = job;
        return job;
}

static bool id_is_free(const struct jobs *jobs, const char *id)
{
        _cleanup_free_ char *path = log_path(jobs, id);
        return !jobs_find(jobs, id) && access(path, F_OK) < 0;
}

static void make_unused_id(const struct jobs *jobs, char id[24])
{
        do {
                uint16_t number = 0;
                if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
                        number = (uint16_t)(clock_realtime_ms() * 40503);
                _cleanup_free_ char *now = clock_format_local(clock_realtime_s());
                snprintf(id, 24, "%.4s%.2s%.2s-%04x", now, now + 5, now + 8, number);
        } while (!id_is_free(jobs, id));
}

struct job *jobs_add(struct jobs *jobs, enum job_action action, const char *vm,
                     const char *hypervisor)
{
        char id[24];
        make_unused_id(jobs, id);
        struct job *job = append_job(jobs);
        memcpy(job->id, id, sizeof id);
        job->action = action;
        job->vm = xstrdup(vm);
        job->hypervisor = xstrdup(hypervisor);
        job->created = clock_realtime_s();
        _cleanup_free_ char *path = log_path(jobs, job->id);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (fd < 0)
                log_warning("%s: cannot write the log %s: %s", job->id, path, strerror(errno));
        else
                job->log_path = TAKE_PTR(path);
        return job;
}

struct job *jobs_find(const struct jobs *jobs, const char *id)
{
        for (size_t i = jobs->count; i > 0; i--)
                if (strcmp(jobs->items[i - 1]->id, id) == 0)
                        return jobs->items[i - 1];
        return NULL;
}

struct job *jobs_find_newest(const struct jobs *jobs, const char *vm)
{
        /* A running job is preferred to one that waits. */
        struct job *newest = NULL;
        for (size_t i = jobs->count; i > 0; i--) {
                struct job *job = jobs->items[i - 1];
                if (!job->vm || strcmp(job->vm, vm) != 0)
                        continue;
                if (job->state == JOB_RUNNING)
                        return job;
                if (!newest || (newest->state == JOB_QUEUED && job->state != JOB_QUEUED))
                        newest = job;
        }
        return newest;
}

bool job_is_live(const struct job *job)
{
        return job->state != JOB_ENDED;
}

bool job_is_backup(const struct job *job)
{
        return job->action == JOB_BACKUP;
}

static void memory_log_add(struct job *job, const char *line)
{
        strbuf_add(&job->memory_log, line);
        strbuf_add_char(&job->memory_log, '\n');
        while (job->memory_log.length > JOB_MEMORY_LOG_MAX_BYTES) {
                char *newline = strchr(job->memory_log.data, '\n');
                strbuf_consume(&job->memory_log, (size_t)(newline - job->memory_log.data) + 1);
        }
}

static int append_to_file(const char *path, const char *text, size_t length, struct error **err)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s", path);
        return fs_write_all(fd, text, length, err);
}

static void log_add(struct job *job, const char *line)
{
        size_t length = strlen(line) + 1;
        if (!job->log_path) {
                memory_log_add(job, line);
                return;
        }
        if (job->log_bytes + length > JOB_LOG_MAX_BYTES && job->outcome == JOB_OUTCOME_NONE)
                return;
        _cleanup_free_ char *text = xasprintf("%s\n", line);
        _cleanup_error_ struct error *error = NULL;
        job->log_bytes += length;
        if (append_to_file(job->log_path, text, length, &error) < 0) {
                log_warning("%s: the log continues in memory only: %s", job->id, error->message);
                xstrdup_replace(&job->log_path, NULL);
                memory_log_add(job, line);
        }
}

void job_add_line(struct job *job, const char *line, const char *progress_key)
{
        if (!progress_key)
                log_add(job, line);
        stream_set_push(&job->followers, line, progress_key);
}

static void forget_oldest(struct jobs *jobs)
{
        size_t ended = 0;
        for (size_t i = 0; i < jobs->count; i++)
                ended += jobs->items[i]->state == JOB_ENDED;
        for (size_t i = 0; i < jobs->count && ended > JOBS_KEPT;) {
                /* Its batch will still read its outcome. */
                if (jobs->items[i]->state != JOB_ENDED || jobs->items[i]->batch) {
                        i++;
                        continue;
                }
                job_free(jobs->items[i]);
                memmove(jobs->items + i, jobs->items + i + 1,
                        (jobs->count - i - 1) * sizeof *jobs->items);
                jobs->count--;
                ended--;
        }
}

void jobs_end(struct jobs *jobs, struct job *job, const char *end_line)
{
        job->state = JOB_ENDED;
        xstrdup_replace(&job->log_path, NULL);
        stream_set_end(&job->followers, end_line);
        forget_oldest(jobs);
}

struct stream *jobs_open_log(struct jobs *jobs, struct job *job, bool follow, const char *end_line)
{
        struct stream *stream = stream_new();
        _cleanup_free_ char *path = log_path(jobs, job->id);
        _cleanup_strbuf_ struct strbuf text = { 0 };
        size_t length = 0;
        _cleanup_free_ char *file = fs_read_file(path, 4 * JOB_LOG_MAX_BYTES, &length, NULL);
        if (file)
                strbuf_append(&text, file, length);
        if (job->memory_log.length)
                strbuf_add(&text, job->memory_log.data);
        if (text.length) {
                length = text.length;
                stream_preload(stream, strbuf_take(&text), length);
        }
        if (follow && job_is_live(job)) {
                stream_join(stream, &job->followers);
        } else {
                stream_push(stream, end_line, NULL);
                stream_end(stream);
        }
        return stream;
}

char *jobs_log_tail(const struct jobs *jobs, const struct job *job, size_t lines)
{
        enum { TAIL_BYTES = 32 << 10 };
        char tail[TAIL_BYTES + 1];
        _cleanup_free_ char *path = log_path(jobs, job->id);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
        off_t start = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
        ssize_t n = fd < 0 ? 0 : pread(fd, tail, TAIL_BYTES, start);
        tail[n > 0 ? n : 0] = '\0';
        char *rest = tail;
        _cleanup_strv_ char **all = NULL;
        for (char *line; (line = strsep(&rest, "\n"));) {
                _cleanup_(event_freep) struct event *event = *line ? event_of_line(line) : NULL;
                _cleanup_free_ char *text = event ? event_describe(event, NULL) : NULL;
                if (text)
                        strv_add(&all, text);
        }
        size_t count = strv_length(all);
        return count ? strv_join(all + (count > lines ? count - lines : 0), "\n") : xstrdup("");
}

/* "20261120-3f9a.jsonl" */
static bool is_log_name(const char *name)
{
        static const char pattern[] = "dddddddd-xxxx.jsonl";
        if (strlen(name) != sizeof pattern - 1)
                return false;
        for (size_t i = 0; pattern[i]; i++) {
                const char *allowed = pattern[i] == 'd'   ? "0123456789"
                                      : pattern[i] == 'x' ? "0123456789abcdef"
                                                          : NULL;
                if (i >= 13 || !allowed) {
                        if (name[i] != pattern[i])
                                return false;
                } else if (!strchr(allowed, name[i])) {
                        return false;
                }
        }
        return true;
}

void jobs_prune_logs(const struct jobs *jobs, int64_t now)
{
        _cleanup_(closedirp) DIR *dir = opendir(jobs->folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                struct stat st;
                if (is_log_name(entry->d_name) &&
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    st.st_mtime < now - (int64_t)JOBS_LOG_DAYS * 86400)
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
}

struct found_log {
        char *name;
        int64_t modified;
};

static int newest_first(const void *a, const void *b)
{
        const struct found_log *x = a;
        const struct found_log *y = b;
        return x->modified > y->modified   ? -1
               : x->modified < y->modified ? 1
                                           : strcmp(y->name, x->name);
}

static struct found_log *list_logs(const struct jobs *jobs, size_t *ret_count)
{
        struct found_log *found = NULL;
        size_t count = 0;
        _cleanup_(closedirp) DIR *dir = opendir(jobs->folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                struct stat st;
                if (!is_log_name(entry->d_name) ||
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                found = xrealloc_array(found, count + 1, sizeof *found);
                found[count++] = (struct found_log){ .name = xstrdup(entry->d_name),
                                                     .modified = st.st_mtime };
        }
        if (count)
                qsort(found, count, sizeof *found, newest_first);
        *ret_count = count;
        return found;
}

/* The first line of a log is its "queued" event, which describes the job. */
static void load_log(struct jobs *jobs, const struct found_log *log)
{
        _cleanup_free_ char *path = path_join(jobs->folder, log->name);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char head[2048];
        ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head - 1);
        if (n <= 0)
                return;
        head[n] = '\0';
        head[strcspn(head, "\n")] = '\0';
        _cleanup_json_ json_t *json = json_read_document(head, strlen(head), log->name, NULL);
        const char *vm = json_string_value(json_object_get(json, "vm"));
        const char *hypervisor = json_string_value(json_object_get(json, "hypervisor"));
        if (!json || (!vm && !hypervisor))
                return;
        struct job *job = append_job(jobs);
        memcpy(job->id, log->name, 13);
        job->vm = xstrdup(vm);
        job->hypervisor = xstrdup(hypervisor);
        job->state = JOB_ENDED;
        job->created = job->ended = log->modified;
}

struct jobs *jobs_new(const char *state_folder, struct error **err)
{
        _cleanup_(jobs_freep) struct jobs *jobs = xcalloc(1, sizeof *jobs);
        jobs->folder = path_join(state_folder, "jobs");
        if (fs_make_dirs(jobs->folder, err) < 0)
                return NULL;
        jobs_prune_logs(jobs, clock_realtime_s());
        size_t count = 0;
        struct found_log *found = list_logs(jobs, &count);
        for (size_t i = count < JOBS_KEPT ? count : JOBS_KEPT; i > 0; i--)
                load_log(jobs, &found[i - 1]);
        for (size_t i = 0; i < count; i++)
                free(found[i].name);
        free(found);
        return TAKE_PTR(jobs);
}
