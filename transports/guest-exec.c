/* Implements transports/guest-exec.h. The agent starts a command and is then polled until the
 * command has ended, because the protocol has no notification. The last answer contains the whole
 * output, in base64. If the agent does not answer one poll (a guest under load), it is polled again
 * until the deadline. The guest is not trusted: only the form of its answers is checked, and
 * nothing is concluded from their contents. */
#include "transports/guest-exec.h"
#include "schema/json/json-fields.h"

#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/scripts.h"

enum {
        DEFAULT_MAX_OUTPUT = 1024 * 1024,
        MAX_REPLY_BYTES = 64 * 1024 * 1024, /* more than libvirt can carry */
        AGENT_MS = 10 * 1000,               /* the agent's time for one answer */
        KILL_MS = 5 * 1000,
        POLL_FIRST_MS = 50,
        POLL_LONGEST_MS = 500,
        POLL_SLICE_MS = 100,
};

struct guest_command {
        struct hypervisor *hypervisor;
        const char *uuid;
        const char *program;
        const struct exec_options *options;
        struct deadline deadline;
        int64_t pid; /* in the guest */
};

/* NULL if one of the texts is not valid UTF-8. */
static json_t *json_texts(const char *const texts[])
{
        _cleanup_json_ json_t *array = json_array();
        for (size_t i = 0; texts[i]; i++)
                if (json_array_append_new(array, json_string(texts[i])) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static bool names_path(const char *const env[])
{
        for (size_t i = 0; env[i]; i++)
                if (str_starts_with(env[i], "PATH="))
                        return true;
        return false;
}

/* NULL if a word is not valid UTF-8. The caller frees. */
static char *start_request(const char *const argv[], const char *const env[])
{
        static const char path[] =
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        _cleanup_json_ json_t *words = json_texts(argv + 1);
        _cleanup_json_ json_t *variables = env ? json_texts(env) : NULL;
        if (!words || (env && !variables))
                return NULL;
        if (env && !names_path(env))
                json_array_append_new(variables, json_string(path));
        _cleanup_json_ json_t *request =
                json_pack("{s:s, s:{s:s, s:O, s:O*, s:b}}", "execute", "guest-exec", "arguments",
                          "path", argv[0], "arg", words, "env", variables, "capture-output", 1);
        return request ? json_dumps(request, JSON_COMPACT) : NULL;
}

/* Explains the agent's error to an operator. A freeze disables the command too, but only for a
 * moment. */
static void explain_failure(struct error *error)
{
        bool not_allowed = strstr(error->message, "guest-exec") &&
                           !strstr(error->message, "frozen") &&
                           (strstr(error->message, "has been disabled") ||
                            strstr(error->message, "has not been found"));
        if (error->kind != ERROR_INTERNAL || !not_allowed)
                return;
        _cleanup_free_ char *words = TAKE_PTR(error->message);
        error->kind = ERROR_REFUSED;
        error->message =
                xasprintf("the guest agent does not allow guest-exec: on RHEL, remove guest-exec "
                          "and guest-exec-status from BLOCK_RPCS (or BLACKLIST_RPC), or add them "
                          "to the --allow-rpcs list of FILTER_RPC_ARGS, in the guest's "
                          "/etc/sysconfig/qemu-ga, then: systemctl restart qemu-guest-agent (%s)",
                          words);
}

/* *ret is the "return" of the agent's reply; the caller frees. */
static int call_agent(const struct guest_command *command, const char *request, int64_t timeout_ms,
                      json_t **ret, struct error **err)
{
        _cleanup_free_ char *reply = NULL;
        _cleanup_error_ struct error *error = NULL;
        if (command->hypervisor->ops->agent_command(command->hypervisor, command->uuid, request,
                                                    timeout_ms, &reply, &error) < 0) {
                explain_failure(error);
                return error_propagate(err, TAKE_PTR(error));
        }
        size_t length = strnlen(reply, MAX_REPLY_BYTES + 1);
        _cleanup_json_ json_t *json =
                length <= MAX_REPLY_BYTES ? json_loadb(reply, length, JSON_REJECT_DUPLICATES, NULL)
                                          : NULL;
        json_t *value = json_object_get(json, "return");
        if (!json_is_object(value))
                return error_set(err, ERROR_CORRUPT,
                                 "%s: the guest agent's answer does not follow its protocol",
                                 command->hypervisor->name);
        *ret = json_incref(value);
        return 0;
}

static int start_in_guest(struct guest_command *command, const char *const argv[],
                          const char *const env[], struct error **err)
{
        _cleanup_free_ char *request = start_request(argv, env);
        if (!request)
                return error_set(
                        err, ERROR_CONFIG,
                        "a word of the command is not valid UTF-8, which the guest agent requires");
        _cleanup_json_ json_t *value = NULL;
        if (call_agent(command, request, AGENT_MS, &value, err) < 0)
                return -1;
        json_int_t pid = 0;
        if (json_unpack(value, "{s:I}", "pid", &pid) < 0 || pid <= 0)
                return error_set(
                        err, ERROR_CORRUPT,
                        "the guest agent started the command, but did not return its process id");
        command->pid = pid;
        return 0;
}

/* Invalid base64 gives an empty output: a mistake of the agent is not a failure of the command. */
static char *decode_output(const char *text, size_t max_bytes)
{
        size_t length = text ? strlen(text) : 0;
        if (!length || length % 4 != 0 || length > MAX_REPLY_BYTES)
                return xstrdup("");
        _cleanup_free_ unsigned char *bytes = xmalloc(length / 4 * 3 + 1);
        int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
        if (n < 0)
                return xstrdup("");
        size_t padding = (size_t)(text[length - 1] == '=') + (size_t)(text[length - 2] == '=');
        size_t kept = (size_t)n - padding;
        return xstrndup((const char *)bytes, kept < max_bytes ? kept : max_bytes);
}

/* Polls the command: 1 it has ended, 0 it is running, -1 error. */
static int read_exec_status(const struct guest_command *command, struct exec_result *ret,
                            struct error **err)
{
        _cleanup_free_ char *request =
                xasprintf("{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":%lld}}",
                          (long long)command->pid);
        _cleanup_json_ json_t *value = NULL;
        if (call_agent(command, request, AGENT_MS, &value, err) < 0)
                return -1;
        int exited = 0;
        json_int_t status = -1;
        json_int_t signal_number = 0;
        const char *output = NULL;
        const char *errors = NULL;
        if (json_unpack(value, "{s:b, s?I, s?I, s?s, s?s}", "exited", &exited, "exitcode", &status,
                        "signal", &signal_number, "out-data", &output, "err-data", &errors) < 0)
                return error_set(err, ERROR_CORRUPT,
                                 "the guest agent's answer is not the status of a command");
        if (!exited)
                return 0;
        size_t max_output =
                command->options->max_output ? command->options->max_output : DEFAULT_MAX_OUTPUT;
        *ret = (struct exec_result){
                .status = signal_number > 0 && signal_number < NSIG ? 128 + (int)signal_number
                                                                    : (int)(status & INT32_MAX),
                .output = decode_output(output, max_output),
                .errors = decode_output(errors, max_output),
        };
        return 1;
}

/* Waits for `milliseconds`. Returns -1 earlier if the deadline passes or the command is cancelled.
 */
static int pause_for(const struct guest_command *command, int64_t milliseconds, struct error **err)
{
        for (; milliseconds > 0; milliseconds -= POLL_SLICE_MS) {
                if (command->options->cancelled &&
                    command->options->cancelled(command->options->data))
                        return error_set(err, ERROR_CANCELLED, "'%s' in the guest was cancelled",
                                         command->program);
                if (deadline_passed(command->deadline))
                        return error_set(
                                err, ERROR_TIMEOUT, "'%s' in the guest did not end in its %.1f s",
                                command->program, (double)command->options->timeout_ms / 1000);
                usleep((useconds_t)(milliseconds < POLL_SLICE_MS ? milliseconds : POLL_SLICE_MS) *
                       1000);
        }
        return 0;
}

static int wait_for_guest_command(const struct guest_command *command, struct exec_result *ret,
                                  struct error **err)
{
        int64_t pause_ms = POLL_FIRST_MS;
        for (;;) {
                _cleanup_error_ struct error *error = NULL;
                int ended = read_exec_status(command, ret, &error);
                if (ended > 0)
                        return 0;
                if (ended < 0 &&
                    (error->kind != ERROR_TIMEOUT || deadline_passed(command->deadline)))
                        return error_propagate(err, TAKE_PTR(error));
                if (pause_for(command, pause_ms, err) < 0)
                        return -1;
                pause_ms = pause_ms * 2 < POLL_LONGEST_MS ? pause_ms * 2 : POLL_LONGEST_MS;
        }
}

static int run_command_in_guest(struct guest_command *command, const char *const argv[],
                                const char *const env[], struct exec_result *ret,
                                struct error **err)
{
        return start_in_guest(command, argv, env, err) < 0 ||
                               wait_for_guest_command(command, ret, err) < 0
                       ? -1
                       : 0;
}

/* Ends a command after a timeout or a cancel, and adds the result to the message. */
static void stop_in_guest(const struct guest_command *command, struct error *reason)
{
        _cleanup_free_ char *pid = xasprintf("%lld", (long long)command->pid);
        struct exec_options options = { .timeout_ms = KILL_MS };
        struct guest_command killing = {
                .hypervisor = command->hypervisor,
                .uuid = command->uuid,
                .program = "sh",
                .options = &options,
                .deadline = deadline_in_ms(KILL_MS),
        };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        const char *const argv[] = { "sh", "-c", kill_tree_script, "orch-stop", pid, NULL };
        bool killed = run_command_in_guest(&killing, argv, NULL, &result, NULL) == 0 &&
                      result.status == 0;
        _cleanup_exec_result_ struct exec_result ended = { 0 };
        (void)read_exec_status(command, &ended, NULL); /* so that the agent forgets it */
        _cleanup_free_ char *message = TAKE_PTR(reason->message);
        reason->message =
                killed ? xasprintf("%s and was killed", message)
                       : xasprintf("%s and may still run there (process %s)", message, pid);
}

int guest_exec(struct hypervisor *hypervisor, const char *uuid, const char *const argv[],
               const char *const env[], const struct exec_options *options, struct exec_result *ret,
               struct error **err)
{
        struct guest_command command = {
                .hypervisor = hypervisor,
                .uuid = uuid,
                .program = argv[0],
                .options = options,
                .deadline = deadline_in_ms(options->timeout_ms),
        };
        _cleanup_error_ struct error *error = NULL;
        if (run_command_in_guest(&command, argv, env, ret, &error) == 0)
                return 0;
        if (command.pid && (error->kind == ERROR_TIMEOUT || error->kind == ERROR_CANCELLED))
                stop_in_guest(&command, error);
        return error_propagate(err, TAKE_PTR(error));
}
