/* Implements worker/host/deadman.h. The scripts run on the hypervisor; variable values reach them
 * as positional parameters and are never inserted into their text. */
#include "worker/host/deadman.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/scripts.h"

enum { ARM_TIMEOUT_MS = 15000 };

static const char *const action_words[] = { [DEADMAN_THAW] = "thaw", [DEADMAN_RESUME] = "resume" };

int deadman_arm(struct deadman *deadman, struct hypervisor *host, const char *tag, const char *uuid,
                unsigned seconds, struct error **err)
{
        _cleanup_free_ char *delay = xasprintf("%u", seconds);
        const char *script =
                deadman->action == DEADMAN_RESUME ? deadman_resume_script : deadman_thaw_script;
        const char *const argv[] = { "sh",
                                     "-c",
                                     deadman_arm_script,
                                     "orch-arm",
                                     tag,
                                     uuid,
                                     delay,
                                     script,
                                     action_words[deadman->action],
                                     deadman_wait_script,
                                     NULL };
        xstrdup_replace(&deadman->tag, tag);
        xstrdup_replace(&deadman->uuid, uuid);
        _cleanup_error_ struct error *error = NULL;
        if (hypervisor_run(host, argv, ARM_TIMEOUT_MS, NULL, &error) < 0) {
                bool lost = error->kind == ERROR_UNREACHABLE || error->kind == ERROR_TIMEOUT;
                return error_set(
                        err, lost ? error->kind : ERROR_REFUSED,
                        "the dead-man timer cannot be armed on %s, so the guest is not %s: %s",
                        host->name, deadman->action == DEADMAN_RESUME ? "paused" : "frozen",
                        error->message);
        }
        deadman->armed = true;
        return 0;
}

int deadman_disarm(struct deadman *deadman, struct hypervisor *host, bool *ret_fired,
                   struct error **err)
{
        if (!deadman->tag) {
                *ret_fired = false;
                return 0;
        }
        const char *const argv[] = { "sh",          "-c",         deadman_disarm_script,
                                     "orch-disarm", deadman->tag, action_words[deadman->action],
                                     NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, ARM_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err,
                                    "the dead-man timer of %s could not be disarmed (it ends by "
                                    "itself once the guest %s)",
                                    host->name,
                                    deadman->action == DEADMAN_RESUME ? "runs" : "says thawed");
        deadman->armed = false;
        *ret_fired = strstr(output, "fired") != NULL;
        return 0;
}

int deadman_find(struct hypervisor *host, const char *short_uuid, const char *uuid,
                 struct deadman_traces *ret, struct error **err)
{
        const char *const argv[] = { "sh", "-c", deadman_find_script, "orch-find", short_uuid,
                                     uuid, NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, ARM_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "the dead-man timers on %s cannot be looked at",
                                    host->name);
        struct deadman_traces traces = { 0 };
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                if (str_starts_with(line, "armed "))
                        strv_add(&traces.armed, line + strlen("armed "));
                else if (str_starts_with(line, "stale "))
                        strv_add(&traces.stale, line + strlen("stale "));
                else if (str_starts_with(line, "fired "))
                        strv_add(&traces.fired, line + strlen("fired "));
                else if (str_starts_with(line, "foreign "))
                        strv_add(&traces.foreign, line + strlen("foreign "));
        }
        *ret = traces;
        return 0;
}

void deadman_traces_done(struct deadman_traces *traces)
{
        strv_free(traces->armed);
        strv_free(traces->stale);
        strv_free(traces->fired);
        strv_free(traces->foreign);
        *traces = (struct deadman_traces){ 0 };
}

void deadman_done(struct deadman *deadman)
{
        free(deadman->tag);
        free(deadman->uuid);
        *deadman = (struct deadman){ 0 };
}
