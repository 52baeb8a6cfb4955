/* <state>/running/<job>.json: what was running, for the next daemon if this one dies. Written before a worker that changes something
 * starts and when a recovery is queued; removed when its worker has ended and nothing is left to be recovered. */
#pragma once

#include "daemon/jobs.h"

/* Both only log when they fail: without the file a crash of the daemon is put right by the VM's next backup. */
void running_file_write(const char *state_folder, const struct job *job);
void running_file_remove(const char *state_folder, const char *job_id);
/* Calls `found` for each file there is, then removes that file. `hypervisor` may be NULL. */
void running_files_take(const char *state_folder,
                        void (*found)(void *data, const char *job, const char *vm, const char *hypervisor), void *data);
