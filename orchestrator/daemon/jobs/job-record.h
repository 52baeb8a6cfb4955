/* What is recorded of a job that has ended: its row in the catalog, the VM's pin, the state of its
 * hypervisor. */
#pragma once

#include <jansson.h>

struct daemon;
struct event;
struct job;

/* Records a backup whose outcome is set, by the metadata object that its worker sent (NULL: none),
 * and pins the UUID of a VM that was backed up for the first time. Other actions, and a skipped
 * backup, leave no row. */
void job_record(struct daemon *daemon, struct job *job, const json_t *metadata);
/* A worker reported that state.json of a point was changed, or that the catalog is wrong about it:
 * the row is read again from the share. Only points of the job's own VM are accepted. */
void job_record_state(struct daemon *daemon, const struct job *job, const struct event *event);
/* Notes whether the job's hypervisor was reachable. */
void job_record_contact(struct daemon *daemon, const struct job *job);
