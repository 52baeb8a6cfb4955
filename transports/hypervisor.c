/* Implements the helper functions that transports/hypervisor.h has beside the interface. */
#include "transports/hypervisor.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum { LONGEST_FIRST_LINE = 300 };

void domain_info_done(struct domain_info *info)
{
        free(info->uuid);
        free(info->name);
        free(info->job);
        *info = (struct domain_info){ 0 };
}

void exec_result_done(struct exec_result *result)
{
        free(result->output);
        free(result->errors);
        *result = (struct exec_result){ 0 };
}

const char *domain_state_name(enum domain_state state)
{
        switch (state) {
        case DOMAIN_STATE_RUNNING:
                return "running";
        case DOMAIN_STATE_PAUSED:
                return "paused";
        case DOMAIN_STATE_SHUT_OFF:
                return "shut off";
        case DOMAIN_STATE_CRASHED:
                return "crashed";
        case DOMAIN_STATE_OTHER:
        default:
                return "in transition";
        }
}

bool domain_state_is_off(enum domain_state state)
{
        return state == DOMAIN_STATE_SHUT_OFF || state == DOMAIN_STATE_CRASHED;
}

int hypervisor_domain_state(struct hypervisor *hypervisor, const char *uuid, const char *name,
                            enum domain_state *ret, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = hypervisor->ops->find_domain(hypervisor, uuid, NULL, &info, err);
        if (found < 0)
                return -1;
        if (found == 0)
                return error_set(err, ERROR_REFUSED, "%s (UUID %s) is no longer defined on %s",
                                 name, uuid, hypervisor->name);
        *ret = info.state;
        return 0;
}

static char *first_line(const char *text)
{
        text += strspn(text, "\r\n");
        _cleanup_free_ char *line = xstrndup(text, strcspn(text, "\r\n"));
        return str_one_line(line, LONGEST_FIRST_LINE);
}

int hypervisor_run(struct hypervisor *hypervisor, const char *const argv[], int64_t timeout_ms,
                   char **ret_output, struct error **err)
{
        _cleanup_exec_result_ struct exec_result result = { 0 };
        struct exec_options options = { .timeout_ms = timeout_ms };
        if (hypervisor->ops->exec(hypervisor, argv, &options, &result, err) < 0)
                return -1;
        if (result.status != 0) {
                _cleanup_free_ char *reason = first_line(result.errors);
                return error_set(err, ERROR_INTERNAL, "%s: '%s' failed with status %d%s%s",
                                 hypervisor->name, argv[0], result.status, *reason ? ": " : "",
                                 reason);
        }
        if (ret_output) {
                size_t length = strlen(result.output);
                if (length && result.output[length - 1] == '\n')
                        result.output[length - 1] = '\0';
                *ret_output = TAKE_PTR(result.output);
        }
        return 0;
}
