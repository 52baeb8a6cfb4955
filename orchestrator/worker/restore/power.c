/* Powers off the replaced machine and starts the restored one. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/cancel.h"
#include "worker/restore/restore-internal.h"

enum {
        /* a guest that takes longer is powered off, because its disks are being replaced */
        SHUTDOWN_MS = 90 * 1000,
        ANSWER_MS = 300 * 1000,
        RUN_MS = 5 * 1000, /* for a guest that has no agent to answer */
        WORD_INTERVAL_MS = 30 * 1000,
        LOOK_INTERVAL_US = 500 * 1000,
};

static int read_original_state(const struct restore *restore, enum domain_state *ret,
                               struct error **err)
{
        return hypervisor_domain_state(restore->original_host, restore->xml->uuid,
                                       restore->original_info.name, ret, err);
}

static int wait_until_off(const struct restore *restore, bool *ret_off, struct error **err)
{
        struct deadline deadline = deadline_in_ms(SHUTDOWN_MS);
        for (*ret_off = false; !*ret_off && !deadline_passed(deadline);) {
                enum domain_state state = DOMAIN_STATE_OTHER;
                if (worker_check_cancelled(err) < 0 ||
                    read_original_state(restore, &state, err) < 0)
                        return -1;
                *ret_off = domain_state_is_off(state);
                if (!*ret_off)
                        usleep(LOOK_INTERVAL_US);
        }
        return 0;
}

int restore_stop_original(struct restore *restore, struct error **err)
{
        struct hypervisor *host = restore->original_host;
        const char *uuid = restore->xml->uuid;
        enum domain_state state = DOMAIN_STATE_OTHER;
        bool off = false;
        if (!restore->original_xml)
                return 0;
        report_step(restore->job.report, STEP_NAME_STOP_ORIGINAL);
        if (restore_look_again(restore, err) < 0 ||
            restore_enter_phase(restore, RESTORE_STOPPING, err) < 0 ||
            read_original_state(restore, &state, err) < 0)
                return -1;
        if (domain_state_is_off(state)) {
                report_step_end(restore->job.report, STEP_DONE, "it was off");
                return 0;
        }
        _cleanup_error_ struct error *unwilling = NULL;
        if (state == DOMAIN_STATE_RUNNING && host->ops->shutdown(host, uuid, &unwilling) == 0 &&
            wait_until_off(restore, &off, err) < 0)
                return -1;
        if (!off && host->ops->destroy(host, uuid, err) < 0)
                return -1;
        report_step_end(restore->job.report, STEP_DONE, "%s on %s",
                        off ? "shut down" : "powered off", host->name);
        return 0;
}

/* A guest may run briefly and then end. It counts as started if it still runs after it has
 * answered. */
int restore_start(struct restore *restore, struct error **err)
{
        if (restore_enter_phase(restore, RESTORE_STARTING, err) < 0 ||
            restore->job.host->ops->start(restore->job.host, restore->job.uuid, false, err) < 0)
                return error_prefix(err, "%s was put in place on %s and cannot be started",
                                    restore->name, restore->job.host->name);
        return 0;
}

static int await_answer(struct restore *restore, struct error **err)
{
        bool may_answer = strstr(restore->definition, "org.qemu.guest_agent.0") != NULL;
        struct deadline deadline = deadline_in_ms(may_answer ? ANSWER_MS : RUN_MS);
        struct deadline next_word = deadline_in_ms(WORD_INTERVAL_MS);
        struct hypervisor *host = restore->job.host;
        for (;;) {
                /* A worker that reports nothing for long is assumed to be stuck. */
                if (deadline_passed(next_word)) {
                        report_log(restore->job.report,
                                   "%s is started; its guest agent does not answer yet",
                                   restore->name);
                        next_word = deadline_in_ms(WORD_INTERVAL_MS);
                }
                enum domain_state state = DOMAIN_STATE_OTHER;
                enum agent_state agent = AGENT_MUTE;
                if (worker_check_cancelled(err) < 0)
                        return error_prefix(err, "waiting for its guest agent");
                if (hypervisor_domain_state(host, restore->job.uuid, restore->name, &state, err) <
                    0)
                        return -1;
                if (domain_state_is_off(state))
                        return error_set(err, ERROR_INTERNAL, "it has gone off again by itself");
                if (host->ops->agent_state(host, restore->job.uuid, &agent, err) < 0)
                        return -1;
                if (agent == AGENT_ANSWERS) {
                        report_step_end(restore->job.report, STEP_DONE, "its guest agent answers");
                        return 0;
                }
                if (deadline_passed(deadline))
                        break;
                usleep(LOOK_INTERVAL_US);
        }
        if (may_answer)
                report_warning(restore->job.report,
                               "%s runs on %s, but no guest agent has answered within %d s: look "
                               "at its console",
                               restore->name, host->name, ANSWER_MS / 1000);
        report_step_end(restore->job.report, STEP_DONE, "it runs%s",
                        may_answer ? "" : "; it has no channel for a guest agent to answer");
        return 0;
}

/* The machine is restored even if this step fails, and the error has to say so. */
int restore_await(struct restore *restore, struct error **err)
{
        if (await_answer(restore, err) == 0)
                return 0;
        return error_prefix(err, "%s is restored and was started on %s", restore->name,
                            restore->job.host->name);
}
