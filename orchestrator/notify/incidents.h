/* The troubles that were told and are not over, so that each is told once, also over a restart: a
 * small file in the daemon's state folder, written at each change. One that lasts longer than a day
 * is told again. */
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
        char **vms; /* that failed for it */
};

/* A file that is missing or cannot be read is an empty one. */
struct incidents *incidents_open(const char *path);
struct incidents *incidents_free(struct incidents *incidents);
DEFINE_FREEP(struct incidents, incidents_free)

/* NULL when there is none, or it is old enough to be told again (and then forgotten). Valid until
 * the next change. */
const struct incident *incidents_find(struct incidents *incidents, const char *key, int64_t now);
const struct incident *incidents_begin(struct incidents *incidents, const char *key,
                                       const char *reason, int64_t now);
/* A VM failed for it; once is enough. */
void incidents_add_vm(struct incidents *incidents, const char *key, const char *vm);
/* Forgets it. */
void incidents_end(struct incidents *incidents, const char *key);
