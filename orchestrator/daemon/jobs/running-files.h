/* <state>/running/<job>.json: a running job, for the next daemon if this one dies. Written when a
 * worker that changes something has been started (before it gets its request) and when a recovery
 * is queued; removed when the worker has ended and nothing is left to recover. */
#pragma once

#include "daemon/state/jobs.h"

struct running_file {
        const char *job;
        const char *vm;
        const char *hypervisor; /* or NULL */
        bool is_backup;
        /* of the worker, or of the one that a queued recovery waits for; zeros: none */
        struct process_id process;
};

/* Failures are only logged: without the file, the next backup of the VM repairs what a crash of the
 * daemon leaves. */
void running_file_write(const char *state_folder, const struct job *job);
void running_file_remove(const char *state_folder, const char *job_id);
/* Calls `found` for each file, then removes it. */
void running_files_take(const char *state_folder,
                        void (*found)(void *data, const struct running_file *file), void *data);
