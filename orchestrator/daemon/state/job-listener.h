/* Informs the rooms above of what happens to jobs, so that the runner need not know them: the
 * notices (daemon/notices/notices.h) implement this, daemon.c registers them before the first job
 * is made, and the runner, batches and cycles call it. */
#pragma once

struct job;
struct running_file;

struct job_listener {
        /* A job's worker has been started. */
        void (*started)(void *data, const struct job *job);
        /* A job's worker sent a warning that a person should see at once. */
        void (*warned)(void *data, const struct job *job, const char *text);
        /* The outcome of a job is known; its batch has not been informed yet. */
        void (*ended)(void *data, const struct job *job);
        /* At start: a job was running when the last daemon ended. */
        void (*interrupted)(void *data, const struct running_file *file);
        /* A batch has ended with another exit status than 0; `bacula_jobs` (NULL-terminated or
         * NULL) are the jobs of Bacula that started or followed it. */
        void (*batch_failed)(void *data, char *const *bacula_jobs);
        /* A cycle that had jobs has ended. */
        void (*cycle_ended)(void *data);
        void *data; /* the first argument of each */
};
