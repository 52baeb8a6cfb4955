/* Makes calls of transports/hypervisor.h against a real hypervisor, for tests and for a person with
 * a question.
 *
 *   probe-hypervisor name=N address=A key=K known_hosts=F [port=22] [user=root] [uri=U]
 * [connect_ms=] [call_ms=] [agent_ms=] CALL … [+ CALL …]
 *
 * Each CALL is a verb of the table below with its arguments. A call prints one line, "ok VERB
 * MILLISECONDS RESULT" or "error VERB MILLISECONDS KIND MESSAGE"; what an exec prints follows on
 * lines of their own. A domain may be named by its name: it is looked up once. Exit status: 0 when
 * all went well, 1 when a call failed, 2 for a mistake in the words. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/guest-exec.h"
#include "transports/libvirt/libvirt-ssh.h"

struct call {
        struct hypervisor *hypervisor;
        char **arguments; /* after the verb; NULL-terminated */
        char *uuid;       /* of the domain that arguments[0] names, for verbs that take one */
        struct strbuf result;
};

struct verb {
        const char *name;
        int n_arguments; /* at least */
        bool takes_domain;
        int (*run)(struct call *call, struct error **err);
};

static int run_reconnect(struct call *call, struct error **err)
{
        return call->hypervisor->ops->reconnect(call->hypervisor, err);
}

static int run_versions(struct call *call, struct error **err)
{
        struct hypervisor_versions versions;
        if (call->hypervisor->ops->versions(call->hypervisor, &versions, err) < 0)
                return -1;
        strbuf_addf(&call->result, "libvirt=%lu qemu=%lu", versions.libvirt, versions.qemu);
        return 0;
}

static int64_t cancel_at_ms;

static bool is_cancelled(void *data _unused_)
{
        return cancel_at_ms && clock_monotonic_ms() >= cancel_at_ms;
}

/* exec TIMEOUT_MS UNIT|- CANCEL_AFTER_MS|- ARGV… */
static int run_exec(struct call *call, struct error **err)
{
        const char *unit = call->arguments[1];
        struct exec_options options = {
                .timeout_ms = strtoll(call->arguments[0], NULL, 10),
                .unit = streq(unit, "-") ? NULL : unit,
                .cancelled = is_cancelled,
        };
        cancel_at_ms = streq(call->arguments[2], "-")
                               ? 0
                               : clock_monotonic_ms() + strtoll(call->arguments[2], NULL, 10);
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (call->hypervisor->ops->exec(call->hypervisor, (const char *const *)call->arguments + 3,
                                        &options, &result, err) < 0)
                return -1;
        strbuf_addf(&call->result, "status=%d output=%zu errors=%zu\n%s%s", result.status,
                    strlen(result.output), strlen(result.errors), result.output, result.errors);
        return 0;
}

/* guest-exec DOMAIN TIMEOUT_MS CANCEL_AFTER_MS|- VARIABLE=VALUE|- ARGV… */
static int run_guest_exec(struct call *call, struct error **err)
{
        char **a = call->arguments;
        struct exec_options options = { .timeout_ms = strtoll(a[1], NULL, 10),
                                        .cancelled = is_cancelled };
        const char *const variables[] = { a[3], NULL };
        cancel_at_ms = streq(a[2], "-") ? 0 : clock_monotonic_ms() + strtoll(a[2], NULL, 10);
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (guest_exec(call->hypervisor, call->uuid, (const char *const *)a + 4,
                       streq(a[3], "-") ? NULL : variables, &options, &result, err) < 0)
                return -1;
        strbuf_addf(&call->result, "status=%d output=%zu errors=%zu\n%s%s", result.status,
                    strlen(result.output), strlen(result.errors), result.output, result.errors);
        return 0;
}

static int run_stop_unit(struct call *call, struct error **err)
{
        return call->hypervisor->ops->stop_unit(call->hypervisor, call->arguments[0], err);
}

static int run_find(struct call *call, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        bool by_uuid = strlen(call->arguments[0]) == 36;
        int r = call->hypervisor->ops->find_domain(call->hypervisor,
                                                   by_uuid ? call->arguments[0] : NULL,
                                                   by_uuid ? NULL : call->arguments[0], &info, err);
        if (r == 0)
                strbuf_add(&call->result, "none");
        if (r == 1)
                strbuf_addf(
                        &call->result,
                        "uuid=%s name=%s state=%s io_error=%d persistent=%d managed_save=%d job=%s",
                        info.uuid, info.name, domain_state_name(info.state),
                        info.paused_by_io_error, info.persistent, info.has_managed_save,
                        info.job ? info.job : "-");
        return r < 0 ? -1 : 0;
}

static int print_strings(struct call *call, int r, char ***strings)
{
        if (r < 0)
                return r;
        _cleanup_free_ char *joined = strv_join(*strings, " ");
        strbuf_addf(&call->result, "%zu %s", strv_length(*strings), joined);
        return 0;
}

static int run_list(struct call *call, struct error **err)
{
        _cleanup_strv_ char **uuids = NULL;
        return print_strings(
                call, call->hypervisor->ops->list_domains(call->hypervisor, &uuids, err), &uuids);
}

static int run_snapshots(struct call *call, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        return print_strings(
                call,
                call->hypervisor->ops->list_snapshots(call->hypervisor, call->uuid, &names, err),
                &names);
}

/* xml DOMAIN live|inactive */
static int run_xml(struct call *call, struct error **err)
{
        _cleanup_free_ char *xml = NULL;
        bool inactive = streq(call->arguments[1], "inactive");
        if (call->hypervisor->ops->get_xml(call->hypervisor, call->uuid, inactive, true, &xml,
                                           err) < 0)
                return -1;
        strbuf_addf(&call->result, "length=%zu\n%s", strlen(xml), xml);
        return 0;
}

static int run_agent(struct call *call, struct error **err)
{
        static const char *const names[] = {
                [AGENT_ANSWERS] = "answers", [AGENT_ABSENT] = "absent", [AGENT_MUTE] = "mute"
        };
        enum agent_state state;
        if (call->hypervisor->ops->agent_state(call->hypervisor, call->uuid, &state, err) < 0)
                return -1;
        strbuf_add(&call->result, names[state]);
        return 0;
}

static int run_status(struct call *call, struct error **err)
{
        enum fsfreeze_status status;
        if (call->hypervisor->ops->fsfreeze_status(call->hypervisor, call->uuid, &status, err) < 0)
                return -1;
        strbuf_add(&call->result, status == FSFREEZE_FROZEN ? "frozen" : "thawed");
        return 0;
}

static int run_freeze(struct call *call, struct error **err)
{
        int n;
        if (call->hypervisor->ops->fsfreeze(call->hypervisor, call->uuid, &n, err) < 0)
                return -1;
        strbuf_addf(&call->result, "filesystems=%d", n);
        return 0;
}

static int run_thaw(struct call *call, struct error **err)
{
        int n;
        if (call->hypervisor->ops->fsthaw(call->hypervisor, call->uuid, &n, err) < 0)
                return -1;
        strbuf_addf(&call->result, "filesystems=%d", n);
        return 0;
}

/* Calls whose one argument beside the domain is a string. */
static int run_snapshot(struct call *call, struct error **err)
{
        return call->hypervisor->ops->snapshot(call->hypervisor, call->uuid, call->arguments[1],
                                               err);
}

static int run_update(struct call *call, struct error **err)
{
        return call->hypervisor->ops->update_device(call->hypervisor, call->uuid,
                                                    call->arguments[1], err);
}

static int run_pivot(struct call *call, struct error **err)
{
        return call->hypervisor->ops->block_pivot(call->hypervisor, call->uuid, call->arguments[1],
                                                  err);
}

static int run_abort(struct call *call, struct error **err)
{
        return call->hypervisor->ops->block_abort(call->hypervisor, call->uuid, call->arguments[1],
                                                  err);
}

/* commit DOMAIN TARGET BASE TOP MIB_S */
static int run_commit(struct call *call, struct error **err)
{
        char **a = call->arguments;
        return call->hypervisor->ops->block_commit(call->hypervisor, call->uuid, a[1], a[2], a[3],
                                                   strtoull(a[4], NULL, 10), err);
}

static int run_job(struct call *call, struct error **err)
{
        static const char *const names[] = { [BLOCK_JOB_NONE] = "none",
                                             [BLOCK_JOB_COMMIT] = "commit",
                                             [BLOCK_JOB_PULL] = "pull",
                                             [BLOCK_JOB_OTHER] = "other" };
        struct block_job job;
        if (call->hypervisor->ops->block_job(call->hypervisor, call->uuid, call->arguments[1], &job,
                                             err) < 0)
                return -1;
        strbuf_addf(&call->result, "%s ready=%d done=%" PRIu64 " total=%" PRIu64, names[job.type],
                    job.ready, job.done_bytes, job.total_bytes);
        return 0;
}

/* ready DOMAIN TARGET: waits (half a minute at most) until the job can be pivoted. */
static int run_ready(struct call *call, struct error **err)
{
        struct block_job job = { 0 };
        for (int i = 0; i < 300 && !job.ready; i++) {
                if (call->hypervisor->ops->block_job(call->hypervisor, call->uuid,
                                                     call->arguments[1], &job, err) < 0)
                        return -1;
                if (!job.ready)
                        usleep(100 * 1000);
        }
        return job.ready ? 0 : error_set(err, ERROR_TIMEOUT, "the job is not ready");
}

static int run_size(struct call *call, struct error **err)
{
        uint64_t capacity, allocation;
        if (call->hypervisor->ops->block_size(call->hypervisor, call->uuid, call->arguments[1],
                                              &capacity, &allocation, err) < 0)
                return -1;
        strbuf_addf(&call->result, "capacity=%" PRIu64 " allocation=%" PRIu64, capacity,
                    allocation);
        return 0;
}

static int run_suspend(struct call *call, struct error **err)
{
        return call->hypervisor->ops->suspend(call->hypervisor, call->uuid, err);
}

static int run_resume(struct call *call, struct error **err)
{
        return call->hypervisor->ops->resume(call->hypervisor, call->uuid, err);
}

static int run_start(struct call *call, struct error **err)
{
        return call->hypervisor->ops->start(
                call->hypervisor, call->uuid,
                call->arguments[1] && streq(call->arguments[1], "paused"), err);
}

static int run_shutdown(struct call *call, struct error **err)
{
        return call->hypervisor->ops->shutdown(call->hypervisor, call->uuid, err);
}

static int run_destroy(struct call *call, struct error **err)
{
        return call->hypervisor->ops->destroy(call->hypervisor, call->uuid, err);
}

static int run_undefine(struct call *call, struct error **err)
{
        return call->hypervisor->ops->undefine(call->hypervisor, call->uuid, err);
}

static int run_define(struct call *call, struct error **err)
{
        _cleanup_free_ char *uuid = NULL;
        if (call->hypervisor->ops->define(call->hypervisor, call->arguments[0], &uuid, err) < 0)
                return -1;
        strbuf_add(&call->result, uuid);
        return 0;
}

static int run_sleep(struct call *call, struct error **err _unused_)
{
        usleep((useconds_t)strtoul(call->arguments[0], NULL, 10) * 1000);
        return 0;
}

/* while FILE: between two calls, as long as there is such a file here, so that the test can break
 * something meanwhile. */
static int run_while(struct call *call, struct error **err _unused_)
{
        while (access(call->arguments[0], F_OK) == 0)
                usleep(20 * 1000);
        return 0;
}

static const struct verb verbs[] = {
        { "reconnect", 0, false, run_reconnect },
        { "versions", 0, false, run_versions },
        { "exec", 4, false, run_exec },
        { "guest-exec", 5, true, run_guest_exec },
        { "stop-unit", 1, false, run_stop_unit },
        { "find", 1, false, run_find },
        { "list", 0, false, run_list },
        { "define", 1, false, run_define },
        { "sleep", 1, false, run_sleep },
        { "while", 1, false, run_while },
        { "xml", 2, true, run_xml },
        { "snapshots", 1, true, run_snapshots },
        { "agent", 1, true, run_agent },
        { "status", 1, true, run_status },
        { "freeze", 1, true, run_freeze },
        { "thaw", 1, true, run_thaw },
        { "snapshot", 2, true, run_snapshot },
        { "commit", 5, true, run_commit },
        { "job", 2, true, run_job },
        { "ready", 2, true, run_ready },
        { "pivot", 2, true, run_pivot },
        { "abort", 2, true, run_abort },
        { "size", 2, true, run_size },
        { "update", 2, true, run_update },
        { "suspend", 1, true, run_suspend },
        { "resume", 1, true, run_resume },
        { "start", 1, true, run_start },
        { "shutdown", 1, true, run_shutdown },
        { "destroy", 1, true, run_destroy },
        { "undefine", 1, true, run_undefine },
};

static const struct verb *find_verb(const char *name)
{
        for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

static char *find_uuid(struct hypervisor *hypervisor, const char *name, struct error **err)
{
        if (strlen(name) == 36)
                return xstrdup(name);
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int r = hypervisor->ops->find_domain(hypervisor, NULL, name, &info, err);
        if (r == 0)
                error_set(err, ERROR_CONFIG, "no VM %s", name);
        return r == 1 ? TAKE_PTR(info.uuid) : NULL;
}

static void report(const char *verb, int64_t since_ms, const char *result,
                   const struct error *error)
{
        long long took = (long long)(clock_monotonic_ms() - since_ms);
        if (error)
                printf("error %s %lld %s %s\n", verb, took, error_kind_name(error->kind),
                       error->message);
        else
                printf("ok %s %lld %s\n", verb, took, result);
        fflush(stdout);
}

/* The UUID is looked up before the clock starts: a verb's time is its own. */
static bool run_call(struct hypervisor *hypervisor, char **words)
{
        const struct verb *verb = words[0] ? find_verb(words[0]) : NULL;
        if (!verb || strv_length(words + 1) < (size_t)verb->n_arguments) {
                fprintf(stderr, "probe-hypervisor: '%s' is no call, or has too few arguments\n",
                        words[0] ? words[0] : "");
                exit(2);
        }
        _cleanup_error_ struct error *error = NULL;
        struct call call = { .hypervisor = hypervisor, .arguments = words + 1 };
        if (verb->takes_domain)
                call.uuid = find_uuid(hypervisor, words[1], &error);
        int64_t since_ms = clock_monotonic_ms();
        bool fine = (!verb->takes_domain || call.uuid) && verb->run(&call, &error) == 0;
        report(verb->name, since_ms, call.result.data ? call.result.data : "", error);
        strbuf_done(&call.result);
        free(call.uuid);
        return fine;
}

/* Runs what stands between the pluses. */
static bool run_calls(struct hypervisor *hypervisor, char **words)
{
        bool fine = true;
        for (char **next = words; next;) {
                char **call = next;
                for (; *next && !streq(*next, "+"); next++)
                        ;
                bool last = !*next;
                *next = NULL;
                next = last ? NULL : next + 1;
                fine = run_call(hypervisor, call) && fine;
        }
        return fine;
}

static bool take_option(struct libvirt_ssh_options *options, char *word)
{
        char *value = strchr(word, '=');
        if (!value)
                return false;
        *value++ = '\0';
        const struct {
                const char *name;
                const char **text;
                int64_t *number;
        } known[] = {
                { "name", &options->name, NULL },
                { "address", &options->address, NULL },
                { "user", &options->user, NULL },
                { "key", &options->key, NULL },
                { "known_hosts", &options->known_hosts, NULL },
                { "uri", &options->uri, NULL },
                { "connect_ms", NULL, &options->connect_timeout_ms },
                { "call_ms", NULL, &options->call_timeout_ms },
                { "agent_ms", NULL, &options->agent_timeout_ms },
        };
        if (streq(word, "port"))
                options->port = (unsigned)strtoul(value, NULL, 10);
        for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
                if (streq(word, known[i].name) && known[i].text)
                        *known[i].text = value;
                else if (streq(word, known[i].name))
                        *known[i].number = strtoll(value, NULL, 10);
        }
        return true;
}

int main(int argc, char **argv)
{
        struct libvirt_ssh_options options = { .name = "probe", .port = 22, .user = "root" };
        int i = 1;
        while (i < argc && take_option(&options, argv[i]))
                i++;
        if (i >= argc || !options.address || !options.key || !options.known_hosts) {
                fprintf(stderr, "usage: probe-hypervisor address=A key=K known_hosts=F "
                                "[OPTION=VALUE…] CALL… [+ CALL…]\n");
                return 2;
        }
        signal(SIGPIPE, SIG_IGN);
        int64_t since_ms = clock_monotonic_ms();
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(hypervisor_freep) struct hypervisor *hypervisor =
                libvirt_ssh_connect(&options, &error);
        report("connect", since_ms, "", error);
        int status = hypervisor && run_calls(hypervisor, argv + i) ? 0 : 1;
        hypervisor = hypervisor_free(hypervisor);
        if (libvirt_ssh_calls_left_behind())
                _exit(status);
        return status;
}
