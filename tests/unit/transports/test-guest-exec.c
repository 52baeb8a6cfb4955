/* A scripted guest agent, and commands run by it. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/guest-exec.h"

enum { MAX_REPLIES = 8 };

/* A guest agent that answers with what it was given, one reply after the other; the last one again
 * and again. */
struct agent {
        struct hypervisor hypervisor;
        const char *replies[MAX_REPLIES]; /* one that is no JSON object is libvirt's error */
        size_t next;
        bool cannot_kill;
        char **requests;
};

static int answer(struct hypervisor *hypervisor, const char *uuid _unused_,
                  const char *json_command, int64_t timeout_ms _unused_, char **ret_reply,
                  struct error **err)
{
        struct agent *agent = (struct agent *)hypervisor;
        strv_add(&agent->requests, json_command);
        if (agent->cannot_kill && strstr(json_command, "orch-stop"))
                return error_set(err, ERROR_INTERNAL, "no sh here");
        const char *reply = agent->replies[agent->next];
        if (agent->next + 1 < MAX_REPLIES && agent->replies[agent->next + 1])
                agent->next++;
        if (streq(reply, "mute"))
                return error_set(err, ERROR_TIMEOUT, "the agent did not answer");
        if (*reply != '{')
                return error_set(err, ERROR_INTERNAL, "%s", reply);
        *ret_reply = xstrdup(reply);
        return 0;
}

static const struct hypervisor_operations operations = { .agent_command = answer };
static char host_name[] = "hypervisor-01";
static const char started[] = "{\"return\":{\"pid\":4711}}";
static const char running[] = "{\"return\":{\"exited\":false}}";

static int run_with(struct agent *agent, const char *const argv[], const char *const env[],
                    struct exec_options options, struct exec_result *ret, struct error **err)
{
        agent->hypervisor = (struct hypervisor){ &operations, host_name, host_name };
        if (!options.timeout_ms)
                options.timeout_ms = 20 * 1000;
        return guest_exec(&agent->hypervisor, "uuid", argv, env, &options, ret, err);
}

static int run(struct agent *agent, struct exec_result *ret, struct error **err)
{
        return run_with(agent, (const char *const[]){ "sync", NULL }, NULL,
                        (struct exec_options){ 0 }, ret, err);
}

Test(guest_exec, a_command_and_what_it_printed)
{
        struct agent agent = {
                .replies = { started, running, "mute",
                             "{\"return\":{\"exited\":true,\"exitcode\":3,\"out-data\":"
                             "\"aGVsbG8K\",\"err-data\":\"bm8=\"}}" },
        };
        const char *const argv[] = { "sh", "-c", "echo \"it's\"", NULL };
        const char *const env[] = { "ORCH_VM=a", NULL };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        cr_assert_eq(run_with(&agent, argv, env, (struct exec_options){ 0 }, &result, NULL), 0);
        cr_assert_eq(result.status, 3);
        cr_assert_str_eq(result.output, "hello\n");
        cr_assert_str_eq(result.errors, "no");
        cr_assert_str_eq(agent.requests[0], "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":"
                                            "\"sh\",\"arg\":[\"-c\",\"echo \\\"it's\\\"\"],"
                                            "\"env\":[\"ORCH_VM=a\",\"PATH=/usr/local/sbin:/usr/"
                                            "local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"],"
                                            "\"capture-output\":true}}");
        cr_assert_str_eq(agent.requests[1],
                         "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":4711}}");
        strv_free(agent.requests);
}

Test(guest_exec, an_environment_is_sent_only_where_one_is_given)
{
        struct agent agent = { .replies = { started,
                                            "{\"return\":{\"exited\":true,\"signal\":9}}" } };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        cr_assert_eq(run(&agent, &result, NULL), 0);
        cr_assert_eq(result.status, 137);
        cr_assert_str_eq(result.output, "");
        cr_assert_str_eq(agent.requests[0], "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":"
                                            "\"sync\",\"arg\":[],\"capture-output\":true}}");
        strv_free(agent.requests);
}

Test(guest_exec, output_is_capped_and_broken_base64_is_nothing)
{
        struct agent agent = {
                .replies = { started, "{\"return\":{\"exited\":true,\"exitcode\":0,\"out-data\":"
                                      "\"aGVsbG8K\",\"err-data\":\"!!!!\"}}" },
        };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        cr_assert_eq(run_with(&agent, (const char *const[]){ "sync", NULL }, NULL,
                              (struct exec_options){ .max_output = 3 }, &result, NULL),
                     0);
        cr_assert_str_eq(result.output, "hel");
        cr_assert_str_eq(result.errors, "");
        strv_free(agent.requests);
}

static void expect_error(const char *first, const char *second, enum error_kind kind,
                         const char *words)
{
        struct agent agent = { .replies = { first, second } };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(run(&agent, &result, &error), -1, "%s %s", first, second);
        cr_assert_eq(error->kind, kind, "%s", error->message);
        cr_assert(strstr(error->message, words), "%s", error->message);
        strv_free(agent.requests);
}

Test(guest_exec, an_agent_that_may_not_run_commands_is_told_how_to)
{
        expect_error("unable to execute QEMU agent command 'guest-exec': Command guest-exec has "
                     "been disabled",
                     NULL, ERROR_REFUSED, "BLOCK_RPCS");
        expect_error("The command guest-exec has not been found", NULL, ERROR_REFUSED,
                     "FILTER_RPC_ARGS");
        expect_error("Command guest-exec has been disabled: the agent is in frozen state", NULL,
                     ERROR_INTERNAL, "frozen state");
        expect_error("Failed to execute child process \"sync\" (No such file or directory)", NULL,
                     ERROR_INTERNAL, "No such file");
}

Test(guest_exec, answers_that_are_none)
{
        expect_error("{\"return\":{}}", NULL, ERROR_CORRUPT, "did not return its process id");
        expect_error("{\"return\":{\"pid\":-1}}", NULL, ERROR_CORRUPT,
                     "did not return its process id");
        expect_error("{\"error\":1}", NULL, ERROR_CORRUPT, "does not follow its protocol");
        expect_error("{\"return\":", NULL, ERROR_CORRUPT, "does not follow its protocol");
        expect_error(started, "{\"return\":{\"exited\":\"yes\"}}", ERROR_CORRUPT, "not the status");
}

Test(guest_exec, words_that_are_no_text)
{
        struct agent agent = { .replies = { started } };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        const char *const argv[] = { "sh", "\xff", NULL };
        cr_assert_eq(run_with(&agent, argv, NULL, (struct exec_options){ 0 }, &result, &error), -1);
        cr_assert_eq(error->kind, ERROR_CONFIG);
        cr_assert_null(agent.requests);
}

static bool always(void *data _unused_)
{
        return true;
}

Test(guest_exec, what_is_given_up_is_killed)
{
        struct agent agent = { .replies = { started, running, started,
                                            "{\"return\":{\"exited\":true,\"exitcode\":0}}" } };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        const char *const argv[] = { "sleep", "100", NULL };
        cr_assert_eq(run_with(&agent, argv, NULL, (struct exec_options){ .cancelled = always },
                              &result, &error),
                     -1);
        cr_assert_eq(error->kind, ERROR_CANCELLED);
        cr_assert(str_ends_with(error->message, "was cancelled and was killed"), "%s",
                  error->message);
        cr_assert(strstr(agent.requests[2], "\"orch-stop\",\"4711\""), "%s", agent.requests[2]);
        strv_free(agent.requests);
}

Test(guest_exec, what_cannot_be_killed_is_said)
{
        struct agent agent = { .replies = { started, running }, .cannot_kill = true };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        const char *const argv[] = { "sleep", "100", NULL };
        cr_assert_eq(run_with(&agent, argv, NULL, (struct exec_options){ .timeout_ms = 60 },
                              &result, &error),
                     -1);
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert(str_ends_with(error->message, "may still run there (process 4711)"), "%s",
                  error->message);
        strv_free(agent.requests);
}
