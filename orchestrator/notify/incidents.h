/* The incidents that were reported and have not ended, so that each is reported once, also across a
 * restart: a small file in the daemon's state folder, written at each change. An incident that
 * lasts longer than a day is reported again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define INCIDENT_TOLD_AGAIN_SECONDS ((int64_t)24 * 3600)
#define INCIDENT_VMS_MAX ((size_t)1000)

struct incidents;

struct incident {
        char *key; /* a cause (notify/failure.h), or "inventory" */
        int64_t since;
        char *reason;
        char **vms; /* VMs that failed for it */
};

/* Opens the file; a missing or unreadable one counts as empty. The caller frees. */
struct incidents *incidents_open(const char *path);
struct incidents *incidents_free(struct incidents *incidents);
DEFINE_FREEP(struct incidents, incidents_free)

/* The incident of that key. NULL when there is none, or when it is old enough to be reported again
 * (it is then removed). Valid until the next change. */
const struct incident *incidents_find(struct incidents *incidents, const char *key, int64_t now);
const struct incident *incidents_begin(struct incidents *incidents, const char *key,
                                       const char *reason, int64_t now);
/* Adds a VM that failed for it; a second call for the same VM has no effect. */
void incidents_add_vm(struct incidents *incidents, const char *key, const char *vm);
/* Removes the incident; `key` may be unknown. */
void incidents_end(struct incidents *incidents, const char *key);
