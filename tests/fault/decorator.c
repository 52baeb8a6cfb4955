#include "decorator.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "commands.h"
#include "model-hypervisor.h"
#include "transports/libvirt/libvirt-ssh.h"
#include "world.h"

enum {
        CALL_MS = 20,
        LIBVIRT_TIMEOUT_MS = 40 * 1000,
        AGENT_TIMEOUT_MS = 10 * 1000,
        CONNECT_TIMEOUT_MS = 5 * 1000,
        OUTAGE_MS = 45 * 1000,
        KILLED = 128 + SIGKILL,
};

static pid_t worker;

void decorator_begin(void)
{
        worker = getpid();
}

bool decorator_counts(void)
{
        return worker == getpid();
}

static _Noreturn void die(void)
{
        world_trace("        (the worker is killed before this)\n");
        _exit(KILLED);
}

static void lose_network(int64_t milliseconds)
{
        world->network_epoch++;
        world->network_back_at =
                milliseconds == INT64_MAX ? INT64_MAX : world->now_ms + milliseconds;
}

/* The machine that was restored, once there is one; else the VM. */
static void power_off(void)
{
        struct world_domain *beside = &world->domains[1];
        struct world_domain *domain = beside->defined ? beside : world_vm();
        world_trace("        (the guest of %s powers off)\n", domain->name);
        if (domain->state == DOMAIN_STATE_RUNNING)
                world_domain_end(domain);
}

bool decorator_enter(const char *call, const char *detail)
{
        const struct fault *fault = &world->fault;
        world->calls++;
        if (world->then.kind != FAULT_NONE && world->calls > fault->at) {
                world->fault = world->then;
                world->then = (struct fault){ 0 };
        }
        world_advance(CALL_MS);
        world_trace("%9.2f  %3u %s %s\n", (double)world->now_ms / 1000.0 - 1000.0, world->calls,
                    call, detail);
        if (fault->kind == FAULT_NONE || world->calls != fault->at)
                return false;
        switch (fault->kind) {
        case FAULT_KILL:
                die();
        case FAULT_CANCEL:
                world_trace("        (SIGTERM)\n");
                kill(getpid(), SIGTERM);
                break;
        case FAULT_OUTAGE:
                lose_network(OUTAGE_MS);
                break;
        case FAULT_GONE:
                lose_network(INT64_MAX);
                break;
        case FAULT_POWER_OFF:
                power_off();
                break;
        case FAULT_ERROR:
        case FAULT_LOST:
        case FAULT_DOWN:
        case FAULT_LATE_FREEZE:
                return true;
        case FAULT_NONE:
                break;
        }
        return false;
}

void decorator_changed(void)
{
        if (world->calls < WORLD_CALLS)
                world->changing[world->calls] = true;
}

/* A connection of the worker's. */
struct connection {
        struct hypervisor base;
        unsigned epoch;
        bool lost;
};

static bool network_is_up(void)
{
        return world->now_ms >= world->network_back_at;
}

static int unreachable(struct error **err)
{
        return error_set(err, ERROR_UNREACHABLE, WORLD_HOST ": the connection is gone");
}

/* How a call ends. */
enum ending { MAKE, FAIL, MAKE_AND_LOSE };
enum sort { ON_LIBVIRT, ON_AGENT, ON_COMMANDS };

/* A call past its deadline has taken its time, and a stuck libvirt call costs the connection; so
 * does an answer that never came. */
static int fail(struct connection *connection, enum sort sort, const char *call, struct error **err)
{
        enum error_kind kind = world->fault.error;
        world_trace("        (%s: %s)\n",
                    world->fault.kind == FAULT_LOST ? "the answer is lost" : "fails",
                    error_kind_name(kind));
        if (kind == ERROR_TIMEOUT)
                world_advance(sort == ON_AGENT ? AGENT_TIMEOUT_MS : LIBVIRT_TIMEOUT_MS);
        if ((kind == ERROR_TIMEOUT && sort == ON_LIBVIRT) ||
            (kind == ERROR_UNREACHABLE && world->fault.kind == FAULT_LOST))
                connection->lost = true;
        return error_set(err, kind, WORLD_HOST ": %s failed on purpose", call);
}

static enum ending enter(struct hypervisor *hypervisor, enum sort sort, const char *call,
                         const char *detail, struct error **err)
{
        struct connection *connection = (struct connection *)hypervisor;
        bool falls_here = decorator_enter(call, detail);
        if (falls_here && world->fault.kind == FAULT_DOWN) {
                world_trace("        (the connection breaks)\n");
                world->break_copy = command_is_copy(detail);
                connection->lost = !world->break_copy;
        }
        if (connection->lost || connection->epoch != world->network_epoch || !network_is_up()) {
                unreachable(err);
                return FAIL;
        }
        if (falls_here && world->fault.kind == FAULT_ERROR) {
                fail(connection, sort, call, err);
                return FAIL;
        }
        return falls_here && world->fault.kind == FAULT_LOST ? MAKE_AND_LOSE : MAKE;
}

/* For a call that only asks: whether to make it. Losing its answer is the same as its failing. */
static bool ask(struct hypervisor *hypervisor, enum sort sort, const char *call, const char *detail,
                struct error **err)
{
        switch (enter(hypervisor, sort, call, detail, err)) {
        case MAKE:
                return true;
        case MAKE_AND_LOSE:
                fail((struct connection *)hypervisor, sort, call, err);
                return false;
        case FAIL:
        default:
                return false;
        }
}

/* After a call that changed something and ended with `r`. */
static int changed(struct hypervisor *hypervisor, enum sort sort, const char *call,
                   enum ending ending, int r, struct error **err)
{
        decorator_changed();
        return ending == MAKE_AND_LOSE && r == 0
                       ? fail((struct connection *)hypervisor, sort, call, err)
                       : r;
}

static int do_versions(struct hypervisor *hypervisor, struct hypervisor_versions *ret,
                       struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "versions", "", err)
                       ? model_operations.versions(hypervisor, ret, err)
                       : -1;
}

static int do_exec(struct hypervisor *hypervisor, const char *const argv[],
                   const struct exec_options *options, struct exec_result *ret, struct error **err)
{
        enum ending ending = enter(hypervisor, ON_COMMANDS, "exec", command_name(argv), err);
        if (ending == FAIL)
                return -1;
        struct exec_result result = { 0 };
        unsigned call = world->calls; /* a copy makes further ones while it runs */
        int r = model_operations.exec(hypervisor, argv, options, &result, err);
        if (r == 0 && call == world->calls)
                r = changed(hypervisor, ON_COMMANDS, "exec", ending, r, err);
        if (r == 0)
                *ret = result;
        else
                exec_result_done(&result);
        return r;
}

static int do_stop_unit(struct hypervisor *hypervisor, const char *unit, struct error **err)
{
        enum ending ending = enter(hypervisor, ON_COMMANDS, "stop_unit", unit, err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_COMMANDS, "stop_unit", ending,
                                        model_operations.stop_unit(hypervisor, unit, err), err);
}

static int do_find_domain(struct hypervisor *hypervisor, const char *uuid, const char *name,
                          struct domain_info *ret, struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "find_domain", "", err)
                       ? model_operations.find_domain(hypervisor, uuid, name, ret, err)
                       : -1;
}

static int do_list_domains(struct hypervisor *hypervisor, char ***ret_uuids, struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "list_domains", "", err)
                       ? model_operations.list_domains(hypervisor, ret_uuids, err)
                       : -1;
}

static int do_get_xml(struct hypervisor *hypervisor, const char *uuid, bool inactive, bool secure,
                      char **ret_xml, struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "get_xml", inactive ? "inactive" : "live", err)
                       ? model_operations.get_xml(hypervisor, uuid, inactive, secure, ret_xml, err)
                       : -1;
}

static int do_list_snapshots(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                             struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "list_snapshots", "", err)
                       ? model_operations.list_snapshots(hypervisor, uuid, ret_names, err)
                       : -1;
}

static int do_agent_state(struct hypervisor *hypervisor, const char *uuid, enum agent_state *ret,
                          struct error **err)
{
        return ask(hypervisor, ON_AGENT, "agent_state", "", err)
                       ? model_operations.agent_state(hypervisor, uuid, ret, err)
                       : -1;
}

static int do_fsfreeze_status(struct hypervisor *hypervisor, const char *uuid,
                              enum fsfreeze_status *ret, struct error **err)
{
        return ask(hypervisor, ON_AGENT, "fsfreeze_status", "", err)
                       ? model_operations.fsfreeze_status(hypervisor, uuid, ret, err)
                       : -1;
}

static void stall_agent(void)
{
        static const char mute[] = WORLD_STATE "/mute";
        world_trace("        (the agent stalls for %lld s, then freezes)\n",
                    (long long)world->fault.stall_ms / 1000);
        world->mute_until = world->now_ms + world->fault.stall_ms;
        world->freeze_pending = true;
        FILE *file = fopen(mute, "we");
        if (!file || fclose(file) != 0)
                abort();
}

static int do_fsfreeze(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                       struct error **err)
{
        enum ending ending = enter(hypervisor, ON_AGENT, "fsfreeze", "", err);
        if (ending == FAIL)
                return -1;
        if (world->fault.kind == FAULT_LATE_FREEZE && world->fault.at == world->calls)
                stall_agent();
        return changed(hypervisor, ON_AGENT, "fsfreeze", ending,
                       model_operations.fsfreeze(hypervisor, uuid, ret_filesystems, err), err);
}

static int do_fsthaw(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                     struct error **err)
{
        enum ending ending = enter(hypervisor, ON_AGENT, "fsthaw", "", err);
        return ending == FAIL
                       ? -1
                       : changed(hypervisor, ON_AGENT, "fsthaw", ending,
                                 model_operations.fsthaw(hypervisor, uuid, ret_filesystems, err),
                                 err);
}

static int do_snapshot(struct hypervisor *hypervisor, const char *uuid, const char *xml,
                       struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "snapshot", "", err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_LIBVIRT, "snapshot", ending,
                                        model_operations.snapshot(hypervisor, uuid, xml, err), err);
}

static int do_block_commit(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           const char *base, const char *top, uint64_t bandwidth_mib_s,
                           struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "block_commit", target, err);
        if (ending == FAIL)
                return -1;
        int r = model_operations.block_commit(hypervisor, uuid, target, base, top, bandwidth_mib_s,
                                              err);
        return changed(hypervisor, ON_LIBVIRT, "block_commit", ending, r, err);
}

static int do_block_pull(struct hypervisor *hypervisor, const char *uuid, const char *target,
                         uint64_t bandwidth_mib_s, struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "block_pull", target, err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_LIBVIRT, "block_pull", ending,
                                        model_operations.block_pull(hypervisor, uuid, target,
                                                                    bandwidth_mib_s, err),
                                        err);
}

static int do_block_job(struct hypervisor *hypervisor, const char *uuid, const char *target,
                        struct block_job *ret, struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "block_job", target, err)
                       ? model_operations.block_job(hypervisor, uuid, target, ret, err)
                       : -1;
}

static int do_block_unlimit(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "block_unlimit", target, err);
        return ending == FAIL
                       ? -1
                       : changed(hypervisor, ON_LIBVIRT, "block_unlimit", ending,
                                 model_operations.block_unlimit(hypervisor, uuid, target, err),
                                 err);
}

static int do_block_pivot(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "block_pivot", target, err);
        return ending == FAIL
                       ? -1
                       : changed(hypervisor, ON_LIBVIRT, "block_pivot", ending,
                                 model_operations.block_pivot(hypervisor, uuid, target, err), err);
}

static int do_block_abort(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "block_abort", target, err);
        return ending == FAIL
                       ? -1
                       : changed(hypervisor, ON_LIBVIRT, "block_abort", ending,
                                 model_operations.block_abort(hypervisor, uuid, target, err), err);
}

static int do_block_size(struct hypervisor *hypervisor, const char *uuid, const char *target,
                         uint64_t *ret_capacity, uint64_t *ret_allocation, struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "block_size", target, err)
                       ? model_operations.block_size(hypervisor, uuid, target, ret_capacity,
                                                     ret_allocation, err)
                       : -1;
}

static int do_update_device(struct hypervisor *hypervisor, const char *uuid, const char *xml,
                            struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "update_device", "", err);
        return ending == FAIL
                       ? -1
                       : changed(hypervisor, ON_LIBVIRT, "update_device", ending,
                                 model_operations.update_device(hypervisor, uuid, xml, err), err);
}

static int do_start(struct hypervisor *hypervisor, const char *uuid, bool paused,
                    struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "start", "", err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_LIBVIRT, "start", ending,
                                        model_operations.start(hypervisor, uuid, paused, err), err);
}

static int do_shutdown(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "shutdown", "", err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_LIBVIRT, "shutdown", ending,
                                        model_operations.shutdown(hypervisor, uuid, err), err);
}

static int do_destroy(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "destroy", "", err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_LIBVIRT, "destroy", ending,
                                        model_operations.destroy(hypervisor, uuid, err), err);
}

static int do_define(struct hypervisor *hypervisor, const char *xml, char **ret_uuid,
                     struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "define", "", err);
        char *uuid = NULL;
        int r = ending == FAIL ? -1 : model_operations.define(hypervisor, xml, &uuid, err);
        if (ending != FAIL)
                r = changed(hypervisor, ON_LIBVIRT, "define", ending, r, err);
        if (r == 0 && ret_uuid)
                *ret_uuid = uuid;
        else
                free(uuid);
        return r;
}

static int do_undefine(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "undefine", "", err);
        return ending == FAIL ? -1
                              : changed(hypervisor, ON_LIBVIRT, "undefine", ending,
                                        model_operations.undefine(hypervisor, uuid, err), err);
}

static int do_set_autostart(struct hypervisor *hypervisor, const char *uuid, bool on,
                            struct error **err)
{
        enum ending ending = enter(hypervisor, ON_LIBVIRT, "set_autostart", "", err);
        return ending == FAIL
                       ? -1
                       : changed(hypervisor, ON_LIBVIRT, "set_autostart", ending,
                                 model_operations.set_autostart(hypervisor, uuid, on, err), err);
}

static int do_find_network(struct hypervisor *hypervisor, const char *name, bool *ret_active,
                           struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "find_network", name, err)
                       ? model_operations.find_network(hypervisor, name, ret_active, err)
                       : -1;
}

static int do_get_autostart(struct hypervisor *hypervisor, const char *uuid, bool *ret,
                            struct error **err)
{
        return ask(hypervisor, ON_LIBVIRT, "get_autostart", "", err)
                       ? model_operations.get_autostart(hypervisor, uuid, ret, err)
                       : -1;
}

/* Connecting takes its time when nobody answers. */
static int open_connection(struct connection *connection, const char *call, struct error **err)
{
        bool falls_here = decorator_enter(call, "");
        if (falls_here && world->fault.kind == FAULT_ERROR)
                return fail(connection, ON_COMMANDS, call, err);
        if ((falls_here && world->fault.kind == FAULT_DOWN) || !network_is_up()) {
                world_advance(CONNECT_TIMEOUT_MS);
                return unreachable(err);
        }
        connection->lost = false;
        connection->epoch = world->network_epoch;
        return 0;
}

static int do_reconnect(struct hypervisor *hypervisor, struct error **err)
{
        return open_connection((struct connection *)hypervisor, "reconnect", err);
}

static void do_free(struct hypervisor *hypervisor)
{
        free(hypervisor->name);
        free(hypervisor->address);
        free(hypervisor);
}

static struct hypervisor_operations operations(void)
{
        /* what no job of the campaigns asks for stays the model's: a violation */
        struct hypervisor_operations ops = model_operations;
        ops.free = do_free;
        ops.reconnect = do_reconnect;
        ops.versions = do_versions;
        ops.exec = do_exec;
        ops.stop_unit = do_stop_unit;
        ops.find_domain = do_find_domain;
        ops.list_domains = do_list_domains;
        ops.get_xml = do_get_xml;
        ops.list_snapshots = do_list_snapshots;
        ops.agent_state = do_agent_state;
        ops.fsfreeze_status = do_fsfreeze_status;
        ops.fsfreeze = do_fsfreeze;
        ops.fsthaw = do_fsthaw;
        ops.snapshot = do_snapshot;
        ops.block_commit = do_block_commit;
        ops.block_pull = do_block_pull;
        ops.block_job = do_block_job;
        ops.block_unlimit = do_block_unlimit;
        ops.block_pivot = do_block_pivot;
        ops.block_abort = do_block_abort;
        ops.block_size = do_block_size;
        ops.update_device = do_update_device;
        ops.start = do_start;
        ops.shutdown = do_shutdown;
        ops.destroy = do_destroy;
        ops.define = do_define;
        ops.undefine = do_undefine;
        ops.get_autostart = do_get_autostart;
        ops.set_autostart = do_set_autostart;
        ops.find_network = do_find_network;
        return ops;
}

int libvirt_ssh_init(struct error **err _unused_)
{
        return 0;
}

unsigned libvirt_ssh_calls_left_behind(void)
{
        return 0;
}

struct hypervisor *libvirt_ssh_connect(const struct libvirt_ssh_options *options,
                                       struct error **err)
{
        static struct hypervisor_operations ops;
        ops = operations();
        struct connection *connection = xcalloc(1, sizeof *connection);
        connection->base = (struct hypervisor){ .ops = &ops,
                                                .name = xstrdup(options->name),
                                                .address = xstrdup(options->address) };
        if (open_connection(connection, "connect", err) == 0)
                return &connection->base;
        do_free(&connection->base);
        return NULL;
}
