/* One well-filled object of every kind that schema/ writes as JSON, for its tests. The caller
 * frees. */
#pragma once

#include "schema/records/messages.h"
#include "schema/records/metadata.h"
#include "schema/records/restore-journal.h"
#include "schema/records/summary.h"

/* an increment of a VM with two disks, status "ok" */
struct metadata *sample_metadata(void);
struct metadata *sample_failed_metadata(void); /* a job that failed before it found its VM */
struct job_request *sample_request(void);
struct event *sample_event(enum event_type type);
struct summary *sample_summary(void);
struct restore_journal *sample_journal(void); /* of a restore that replaced a VM */
struct point_state sample_state(void);        /* point_state_done() */
