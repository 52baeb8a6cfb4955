/* Implements daemon/jobs/running-files.h. Nothing in a file is trusted: names are checked before
 * use. */
#include "daemon/jobs/running-files.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

enum { FILE_MAX_BYTES = 4096 };

static char *running_file_path(const char *state_folder, const char *job_id)
{
        return xasprintf("%s/running/%s.json", state_folder, job_id);
}

void running_file_write(const char *state_folder, const struct job *job)
{
        _cleanup_json_ json_t *json = json_object();
        json_object_set_new(json, "job", json_string(job->id));
        json_object_set_new(json, "action", json_string(job_action_name(job->action)));
        json_object_set_new(json, "vm", json_from_text(job->vm));
        json_object_set_new(json, "hypervisor", json_from_text(job->hypervisor));
        json_object_set_new(json, "pid", json_integer(job->process.pid));
        json_object_set_new(json, "start_ticks",
                            json_integer((json_int_t)job->process.start_ticks));
        _cleanup_free_ char *text = json_write_document(json);
        _cleanup_free_ char *path = running_file_path(state_folder, job->id);
        _cleanup_free_ char *folder = path_directory(path);
        _cleanup_error_ struct error *error = NULL;
        if (fs_make_dirs(folder, &error) < 0 ||
            fs_write_file(path, 0640, text, strlen(text), &error) < 0)
                log_warning("%s: cannot note the job for a crash of the daemon: %s", job->id,
                            error->message);
}

void running_file_remove(const char *state_folder, const char *job_id)
{
        _cleanup_free_ char *path = running_file_path(state_folder, job_id);
        if (unlink(path) < 0 && errno != ENOENT)
                log_warning("cannot remove %s: %s", path, strerror(errno));
}

static void take_one(int dir_fd, const char *name,
                     void (*found)(void *data, const struct running_file *file), void *data)
{
        size_t length = 0;
        _cleanup_free_ char *text = fs_read_file_at(dir_fd, name, FILE_MAX_BYTES, &length, NULL);
        _cleanup_json_ json_t *json = text ? json_read_document(text, length, name, NULL) : NULL;
        const struct running_file file = {
                .job = json_string_value(json_object_get(json, "job")),
                .vm = json_string_value(json_object_get(json, "vm")),
                .hypervisor = json_string_value(json_object_get(json, "hypervisor")),
                .is_backup = streq(json_string_value(json_object_get(json, "action")),
                                   job_action_name(JOB_BACKUP)),
                .process.pid = (pid_t)json_integer_value(json_object_get(json, "pid")),
                .process.start_ticks =
                        (uint64_t)json_integer_value(json_object_get(json, "start_ticks")),
        };
        if (name_is_safe(file.job) && name_is_safe(file.vm) &&
            (!file.hypervisor || name_is_safe(file.hypervisor)))
                found(data, &file);
        (void)unlinkat(dir_fd, name, 0);
}

void running_files_take(const char *state_folder,
                        void (*found)(void *data, const struct running_file *file), void *data)
{
        _cleanup_free_ char *folder = path_join(state_folder, "running");
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        /* The names are collected first, because `found` may write new files here. */
        _cleanup_strv_ char **names = NULL;
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                if (str_ends_with(entry->d_name, ".json"))
                        strv_add(&names, entry->d_name);
        for (size_t i = 0; names && names[i]; i++)
                take_one(dirfd(dir), names[i], found, data);
}
