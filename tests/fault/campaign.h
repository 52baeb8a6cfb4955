/* One worker over the world: run, and judged by the promises. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "repository/repository.h"
#include "schema/records/messages.h"
#include "world.h"

struct campaign {
        struct repository *repository; /* the test's own view of the share */
        const char *method;
        const char *options; /* of a restore, as JSON */
};

/* How a worker ended. */
struct verdict {
        bool killed;
        int exit_status;
        char *status; /* of its result; NULL: it told none */
        char *path;
        char *error;
        char *diagnostics; /* its stderr */
};
void verdict_done(struct verdict *verdict);

/* Mounts and processes of our own; the rest runs in a child, which is the first process there.
 * Returns there alone; false: they cannot be had here (errno). */
bool campaign_enter_namespaces(void);

/* The world, and an empty repository on its share, which the caller frees. False: told on stderr.
 */
bool campaign_make_repository(struct campaign *campaign);

/* Runs a worker to its end in a process of its own, with world->fault in force. */
void campaign_run(const struct campaign *campaign, enum job_action action, const char *job,
                  struct verdict *ret);

/* The exit status and the result agree, and what is not ok says why. */
void campaign_check_verdict(const struct verdict *verdict);
/* Nothing in that folder has `part` in its name. */
void campaign_check_folder(const char *path, const char *part, const char *when);
/* What has to hold however a worker ended: no write lost, power as it was, what is listed is whole,
 * the verdict true. `expect_off`: the owner's guest is off. Breaches become violations. */
void campaign_check_always(const struct campaign *campaign, const struct verdict *verdict,
                           bool expect_off);
/* What has to hold when everything was put right: nothing of any job left anywhere. */
void campaign_check_clean(const char *when);
/* How many points are listed. */
size_t campaign_count_points(const struct campaign *campaign);
