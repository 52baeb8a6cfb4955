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
};

static int answer(struct hypervisor *hypervisor, const char *const argv[] _unused_, const struct exec_options *options _unused_,
                  struct exec_result *ret, struct error **err)
{
        const struct answering *self = (const struct answering *)hypervisor;
        if (self->status == -2)
                return error_set(err, ERROR_UNREACHABLE, "gone");
        *ret = (struct exec_result){ self->status, xstrdup(self->output), xstrdup(self->errors) };
        return 0;
}

static const struct hypervisor_operations operations = { .exec = answer };
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
        struct answering host = { { &operations, host_name, host_name }, 3, "x", "\ncannot open\x1b[2J disk\nmore" };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(hypervisor_run(&host.hypervisor, argv, 1000, NULL, &error), -1);
        cr_assert_eq(error->kind, ERROR_INTERNAL);
        cr_assert_str_eq(error->message, "hypervisor-01: 'qemu-img' failed with status 3: cannot open?[2J disk");
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
