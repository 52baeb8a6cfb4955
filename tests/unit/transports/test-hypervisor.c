/* What every hypervisor has in common, over a scripted one. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/hypervisor.h"

/* A hypervisor whose every command ends in the same way. */
struct answering {
        struct hypervisor hypervisor;
        int status;
        const char *output;
        const char *errors;
        int found; /* of any domain: 1, 0, -1 */
        enum domain_state state;
};

static int answer(struct hypervisor *hypervisor, const char *const argv[] _unused_,
                  const struct exec_options *options _unused_, struct exec_result *ret,
                  struct error **err)
{
        const struct answering *self = (const struct answering *)hypervisor;
        if (self->status == -2)
                return error_set(err, ERROR_UNREACHABLE, "gone");
        *ret = (struct exec_result){ self->status, xstrdup(self->output), xstrdup(self->errors) };
        return 0;
}

static int find(struct hypervisor *hypervisor, const char *uuid _unused_, const char *name _unused_,
                struct domain_info *ret, struct error **err)
{
        const struct answering *self = (const struct answering *)hypervisor;
        if (self->found > 0)
                *ret = (struct domain_info){ .name = xstrdup("its-domain"), .state = self->state };
        return self->found < 0 ? error_set(err, ERROR_UNREACHABLE, "gone") : self->found;
}

static const struct hypervisor_operations operations = { .exec = answer, .find_domain = find };
static char host_name[] = "hypervisor-01";
static const char *const argv[] = { "qemu-img", "info", "secret", NULL };

Test(hypervisor, run_gives_stdout_without_its_last_newline)
{
        struct answering host = { { &operations, host_name, host_name }, 0, "a\nb\n", "" };
        _cleanup_free_ char *output = NULL;
        cr_assert_eq(hypervisor_run(&host.hypervisor, argv, 1000, &output, NULL), 0);
        cr_assert_str_eq(output, "a\nb");
        cr_assert_eq(hypervisor_run(&host.hypervisor, argv, 1000, NULL, NULL), 0);
}

Test(hypervisor, run_makes_a_status_an_error_with_the_first_line_of_stderr)
{
        struct answering host = {
                { &operations, host_name, host_name }, 3, "x", "\ncannot open\x1b[2J disk\nmore"
        };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(hypervisor_run(&host.hypervisor, argv, 1000, NULL, &error), -1);
        cr_assert_eq(error->kind, ERROR_INTERNAL);
        cr_assert_str_eq(error->message,
                         "hypervisor-01: 'qemu-img' failed with status 3: cannot open?[2J disk");
}

Test(hypervisor, run_passes_errors_on)
{
        struct answering host = { { &operations, host_name, host_name }, -2, "", "" };
        _cleanup_error_ struct error *error = NULL;
        char *output = NULL;
        cr_assert_eq(hypervisor_run(&host.hypervisor, argv, 1000, &output, &error), -1);
        cr_assert_eq(error->kind, ERROR_UNREACHABLE);
        cr_assert_null(output);
}

Test(hypervisor, names_of_states)
{
        cr_assert_str_eq(domain_state_name(DOMAIN_STATE_RUNNING), "running");
        cr_assert_str_eq(domain_state_name(DOMAIN_STATE_SHUT_OFF), "shut off");
}

Test(hypervisor, a_domain_is_off_when_no_qemu_runs_it)
{
        cr_assert(domain_state_is_off(DOMAIN_STATE_SHUT_OFF));
        cr_assert(domain_state_is_off(DOMAIN_STATE_CRASHED));
        cr_assert_not(domain_state_is_off(DOMAIN_STATE_RUNNING));
        cr_assert_not(domain_state_is_off(DOMAIN_STATE_PAUSED));
        cr_assert_not(domain_state_is_off(DOMAIN_STATE_OTHER));
}

Test(hypervisor, the_state_of_a_domain_that_is_gone_is_an_error)
{
        struct answering host = { { &operations, host_name, host_name },
                                  .found = 1,
                                  .state = DOMAIN_STATE_PAUSED };
        _cleanup_error_ struct error *gone = NULL;
        _cleanup_error_ struct error *away = NULL;
        enum domain_state state = DOMAIN_STATE_OTHER;
        cr_assert_eq(hypervisor_domain_state(&host.hypervisor, "1234", "prod-db-01", &state, NULL),
                     0);
        cr_assert_eq(state, DOMAIN_STATE_PAUSED);
        host.found = 0;
        cr_assert_eq(hypervisor_domain_state(&host.hypervisor, "1234", "prod-db-01", &state, &gone),
                     -1);
        cr_assert_eq(gone->kind, ERROR_REFUSED);
        cr_assert_str_eq(gone->message,
                         "prod-db-01 (UUID 1234) is no longer defined on hypervisor-01");
        host.found = -1;
        cr_assert_eq(hypervisor_domain_state(&host.hypervisor, "1234", "prod-db-01", &state, &away),
                     -1);
        cr_assert_eq(away->kind, ERROR_UNREACHABLE);
        cr_assert_eq(state, DOMAIN_STATE_PAUSED);
}
