/* What stays of a job when it is over: its row in the catalog, the VM's pin, what is known of its
 * hypervisor. */
#pragma once

#include <jansson.h>

struct daemon;
struct event;
struct job;

/* Records a backup whose outcome is set, by the metadata object that its worker told (NULL: none),
 * and sets the pin of a VM that was backed up for the first time. Anything but a backup, and one
 * that was skipped, leaves no row. */
void job_record(struct daemon *daemon, struct job *job, const json_t *metadata);
/* A worker told that state.json of a point was changed, or that the catalog is wrong about it: its
 * row follows the share. Of the job's VM alone: a worker has no say about others. */
void job_record_state(struct daemon *daemon, const struct job *job, const struct event *event);
/* Remembers whether the way to the job's hypervisor was there. */
void job_record_contact(struct daemon *daemon, const struct job *job);
