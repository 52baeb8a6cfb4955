#include "model-hypervisor.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "commands.h"
#include "world.h"

enum {
        AGENT_TIMEOUT_MS = 10 * 1000,
        COMMIT_MS = 40,
        PIVOT_MS = 30,
        PULL_MS = 1200,
        SHUTDOWN_MS = 1200,
        BOOT_MS = 800,
};

static bool is_on(void)
{
        return world_vm()->state == DOMAIN_STATE_RUNNING;
}

static int not_running(struct error **err)
{
        return error_set(err, ERROR_REFUSED, "the domain is not running");
}

/* An agent that is stalled, or a domain without one now. */
static int ask_agent(struct error **err)
{
        if (!is_on())
                return not_running(err);
        if (world->mute_until <= world->now_ms)
                return 0;
        world_advance(AGENT_TIMEOUT_MS);
        return error_set(err, ERROR_TIMEOUT, "the guest agent gave no answer");
}

static int get_versions(struct hypervisor *hypervisor _unused_, struct hypervisor_versions *ret,
                        struct error **err _unused_)
{
        *ret = (struct hypervisor_versions){ .libvirt = 10010000, .qemu = 9001000 };
        return 0;
}

static int run_command(struct hypervisor *hypervisor _unused_, const char *const argv[],
                       const struct exec_options *options, struct exec_result *ret,
                       struct error **err)
{
        return command_run(argv, options, ret, err);
}

static int stop_unit(struct hypervisor *hypervisor _unused_, const char *unit,
                     struct error **err _unused_)
{
        command_stop(unit);
        return 0;
}

/* Found, or an error that says what libvirt says. */
static struct world_domain *domain_of(const char *uuid, struct error **err)
{
        struct world_domain *domain = world_domain_find(uuid, NULL);
        if (!domain)
                error_set(err, ERROR_REFUSED, "no domain has the UUID %s", uuid);
        return domain;
}

static int find_domain(struct hypervisor *hypervisor _unused_, const char *uuid, const char *name,
                       struct domain_info *ret, struct error **err _unused_)
{
        const struct world_domain *domain = world_domain_find(uuid, name);
        if (!domain)
                return 0;
        *ret = (struct domain_info){ .uuid = xstrdup(domain->uuid),
                                     .name = xstrdup(domain->name),
                                     .state = domain->state,
                                     .persistent = true };
        return 1;
}

static int list_domains(struct hypervisor *hypervisor _unused_, char ***ret_uuids,
                        struct error **err _unused_)
{
        *ret_uuids = NULL;
        for (size_t i = 0; i < WORLD_DOMAINS; i++)
                if (world->domains[i].defined)
                        strv_add(ret_uuids, world->domains[i].uuid);
        return 0;
}

static int get_xml(struct hypervisor *hypervisor _unused_, const char *uuid, bool inactive,
                   bool secure _unused_, char **ret_xml, struct error **err)
{
        struct world_domain *domain = domain_of(uuid, err);
        if (!domain)
                return -1;
        *ret_xml = world_xml(domain, inactive);
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &domain->disks[i];
                if (!disk->merged || world->now_ms < disk->xml_follows_at ||
                    !streq(disk->chain[0], disk->base))
                        continue;
                if (inactive || !is_on())
                        disk->seen_inactive = true;
                else
                        disk->seen_live = true;
        }
        return 0;
}

static int list_snapshots(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                          char ***ret_names, struct error **err _unused_)
{
        *ret_names = xcalloc(1, sizeof **ret_names);
        return 0;
}

static int get_agent_state(struct hypervisor *hypervisor _unused_, const char *uuid,
                           enum agent_state *ret, struct error **err)
{
        const struct world_domain *domain = domain_of(uuid, err);
        if (!domain)
                return -1;
        bool boots = domain->started_at && world->now_ms < domain->started_at + BOOT_MS;
        *ret = domain->state != DOMAIN_STATE_RUNNING || boots ? AGENT_ABSENT
               : world->mute_until > world->now_ms            ? AGENT_MUTE
                                                              : AGENT_ANSWERS;
        return 0;
}

static int get_freeze_status(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                             enum fsfreeze_status *ret, struct error **err)
{
        if (ask_agent(err) < 0)
                return -1;
        *ret = world->frozen ? FSFREEZE_FROZEN : FSFREEZE_THAWED;
        if (!world->frozen)
                world->thawed_seen = true;
        return 0;
}

static int freeze(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                  int *ret_filesystems, struct error **err)
{
        if (!world_timer_is_armed())
                world_violation("a freeze without a dead-man");
        world->freeze_sent = true;
        world->thawed_seen = false;
        if (ask_agent(err) < 0)
                return -1;
        if (world->frozen)
                return error_set(err, ERROR_BUSY, "the agent is in frozen state");
        world_freeze();
        *ret_filesystems = 2;
        return 0;
}

static int thaw(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                int *ret_filesystems, struct error **err)
{
        if (ask_agent(err) < 0)
                return -1;
        *ret_filesystems = world->frozen ? 2 : 0;
        world_thaw();
        return 0;
}

static int refuse_agent_command(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                                const char *json_command _unused_, int64_t timeout_ms _unused_,
                                char **ret_reply _unused_, struct error **err)
{
        world_violation("a command was run in the guest");
        return error_set(err, ERROR_INTERNAL, "not in the model");
}

/* What a snapshot's XML wants for one disk: the overlay's path, "" for snapshot='no', NULL when it
 * does not name the disk (libvirt then chooses by itself, which orch must not let it). */
static char *overlay_asked_for(const char *xml, const char *target)
{
        static const char source[] = "<source file=\"";
        _cleanup_free_ char *head = xasprintf("<disk name=\"%s\" snapshot=\"", target);
        const char *disk = strstr(xml, head);
        if (!disk)
                return NULL;
        disk += strlen(head);
        if (str_starts_with(disk, "no\""))
                return xstrdup("");
        const char *path = strstr(disk, source);
        const char *next = strstr(disk, "<disk ");
        if (!path || (next && next < path))
                return NULL;
        path += strlen(source);
        return xstrndup(path, strcspn(path, "\""));
}

static void put_on_overlay(struct world_disk *disk, const char *overlay)
{
        image_make(overlay, "qcow2", disk->chain[0], disk->formats[0]);
        memmove(disk->chain[1], disk->chain[0], sizeof disk->chain[0] * (WORLD_CHAIN - 1));
        memmove(disk->formats[1], disk->formats[0], sizeof disk->formats[0] * (WORLD_CHAIN - 1));
        disk->n_chain++;
        snprintf(disk->chain[0], sizeof disk->chain[0], "%s", overlay);
        snprintf(disk->formats[0], sizeof disk->formats[0], "qcow2");
        snprintf(disk->overlay, sizeof disk->overlay, "%s", overlay);
        memcpy(disk->at_snapshot, disk->expected, sizeof disk->expected);
        disk->merged = disk->seen_live = disk->seen_inactive = false;
        disk->xml_follows_at = 0;
}

/* ATOMIC: every overlay or none. */
static int take_snapshot(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                         const char *xml, struct error **err)
{
        if (!is_on())
                return not_running(err);
        char *overlays[WORLD_DISKS] = { NULL };
        _cleanup_free_ char *cdrom = overlay_asked_for(xml, "sda");
        const char *problem =
                cdrom && !*cdrom ? NULL : "a snapshot that does not leave out the CD-ROM drive";
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                overlays[i] = overlay_asked_for(xml, world_vm()->disks[i].target);
                if (str_empty(overlays[i]))
                        problem = "a snapshot without an explicit overlay for a disk";
        }
        if (problem)
                world_violation("%s", problem);
        int r = problem ? error_set(err, ERROR_INTERNAL, "%s", problem) : 0;
        for (size_t i = 0; i < WORLD_DISKS && r == 0; i++)
                if (image_exists(overlays[i]))
                        r = error_set(err, ERROR_REFUSED, "the overlay %s exists already",
                                      overlays[i]);
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                if (r == 0)
                        put_on_overlay(&world_vm()->disks[i], overlays[i]);
                free(overlays[i]);
        }
        world->frozen_at_snapshot = world->frozen;
        return r;
}

static int no_such_disk(const char *target, struct error **err)
{
        return error_set(err, ERROR_REFUSED, "there is no disk %s", target);
}

static int begin_commit(struct hypervisor *hypervisor _unused_, const char *uuid,
                        const char *target, const char *base, const char *top,
                        uint64_t bandwidth_mib_s _unused_, struct error **err)
{
        struct world_disk *disk = world_disk_find(uuid, target);
        if (!is_on() || !disk)
                return is_on() ? no_such_disk(target, err) : not_running(err);
        if (!streq(base, disk->base) || !streq(top, disk->overlay) || !streq(top, disk->chain[0])) {
                world_violation("a commit of %s into %s: not our overlay into exactly its base",
                                top, base);
                return error_set(err, ERROR_INTERNAL, "wrong base or top");
        }
        if (world_disk_is_read(disk))
                world_violation("a commit into %s while it is copied", base);
        if (disk->committing)
                return error_set(err, ERROR_BUSY, "disk %s already has a block job", target);
        disk->committing = true;
        disk->ready_at = world->now_ms + COMMIT_MS;
        return 0;
}

static int begin_pull(struct hypervisor *hypervisor _unused_, const char *uuid, const char *target,
                      uint64_t bandwidth_mib_s _unused_, struct error **err)
{
        struct world_domain *domain = domain_of(uuid, err);
        struct world_disk *disk = domain ? world_disk_find(uuid, target) : NULL;
        if (!domain || domain->state != DOMAIN_STATE_RUNNING)
                return domain ? not_running(err) : -1;
        if (!disk)
                return no_such_disk(target, err);
        /* its pull may have ended since it was looked at */
        if (disk->n_chain == 1)
                return 0;
        if (!world->may_define || !str_starts_with(disk->chain[1], WORLD_SHARE)) {
                world_violation("disk %s was to be pulled away from what it stands on", target);
                return error_set(err, ERROR_INTERNAL, "not in the model");
        }
        if (disk->pulling || disk->committing)
                return error_set(err, ERROR_BUSY, "disk %s already has a block job", target);
        disk->pulling = true;
        disk->ready_at = world->now_ms + PULL_MS;
        return 0;
}

static int get_block_job(struct hypervisor *hypervisor _unused_, const char *uuid,
                         const char *target, struct block_job *ret, struct error **err)
{
        struct world_disk *disk = world_disk_find(uuid, target);
        const struct world_domain *domain = domain_of(uuid, err);
        if (!domain || !disk)
                return domain ? no_such_disk(target, err) : -1;
        if (domain->state != DOMAIN_STATE_RUNNING)
                return not_running(err);
        *ret = (struct block_job){ .type = disk->committing ? BLOCK_JOB_COMMIT
                                           : disk->pulling  ? BLOCK_JOB_PULL
                                                            : BLOCK_JOB_NONE,
                                   .ready = disk->ready,
                                   .done_bytes = disk->ready ? 100 : 50,
                                   .total_bytes = 100 };
        return 0;
}

static int unlimit_block_job(struct hypervisor *hypervisor _unused_, const char *uuid,
                             const char *target, struct error **err)
{
        struct world_disk *disk = world_disk_find(uuid, target);
        if (is_on() && disk && disk->committing)
                return 0;
        return error_set(err, ERROR_REFUSED, "disk %s has no block job", target);
}

static int pivot(struct hypervisor *hypervisor _unused_, const char *uuid, const char *target,
                 struct error **err)
{
        struct world_disk *disk = world_disk_find(uuid, target);
        if (!is_on() || !disk)
                return is_on() ? no_such_disk(target, err) : not_running(err);
        if (!disk->committing || !disk->ready) {
                world_violation("a pivot of disk %s before its commit was ready", target);
                return error_set(err, ERROR_BUSY, "the block job of disk %s is not ready", target);
        }
        _cleanup_free_ char *marker = xasprintf("%s.pivoting", disk->overlay);
        if (!image_exists(marker))
                world_violation("a pivot of disk %s without its marker", target);
        memmove(disk->chain[0], disk->chain[1], sizeof disk->chain[0] * (WORLD_CHAIN - 1));
        memmove(disk->formats[0], disk->formats[1], sizeof disk->formats[0] * (WORLD_CHAIN - 1));
        disk->n_chain--;
        disk->committing = disk->ready = false;
        disk->merged = true;
        disk->xml_follows_at = world->now_ms + PIVOT_MS;
        return 0;
}

static int abort_job(struct hypervisor *hypervisor _unused_, const char *uuid, const char *target,
                     struct error **err)
{
        struct world_disk *disk = world_disk_find(uuid, target);
        if (!is_on() || !disk || !disk->committing)
                return error_set(err, ERROR_REFUSED, "disk %s has no block job", target);
        disk->committing = disk->ready = false;
        return 0;
}

static int get_block_size(struct hypervisor *hypervisor _unused_, const char *uuid,
                          const char *target, uint64_t *ret_capacity, uint64_t *ret_allocation,
                          struct error **err)
{
        if (!world_disk_find(uuid, target))
                return no_such_disk(target, err);
        *ret_capacity = WORLD_VIRTUAL_BYTES;
        *ret_allocation = WORLD_VIRTUAL_BYTES / 4;
        return 0;
}

/* The configuration of a domain that is off is put back on a base: anything else is not orch's to
 * change. */
static int update_device(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                         const char *device_xml, struct error **err)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &world_vm()->disks[i];
                _cleanup_free_ char *target = xasprintf("dev=\"%s\"", disk->target);
                _cleanup_free_ char *source = xasprintf("file=\"%s\"", disk->base);
                if (!strstr(device_xml, target))
                        continue;
                if (!strstr(device_xml, source) || is_on()) {
                        world_violation("disk %s is pointed at something that is not its base",
                                        disk->target);
                        return error_set(err, ERROR_INTERNAL, "wrong source");
                }
                if (!disk->merged)
                        world_violation(
                                "disk %s is put back on its base before its overlay was merged",
                                disk->target);
                while (disk->n_chain > 1 && !streq(disk->chain[0], disk->base)) {
                        memmove(disk->chain[0], disk->chain[1],
                                sizeof disk->chain[0] * (WORLD_CHAIN - 1));
                        memmove(disk->formats[0], disk->formats[1],
                                sizeof disk->formats[0] * (WORLD_CHAIN - 1));
                        disk->n_chain--;
                }
                return 0;
        }
        return error_set(err, ERROR_REFUSED, "there is no such disk");
}

static int list_checkpoints(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                            char ***ret_names, struct error **err _unused_)
{
        *ret_names = xcalloc(1, sizeof **ret_names);
        return 0;
}

/* A backup by freeze and snapshot has no business with power or definitions. */
static struct world_domain *domain_to_change(const char *uuid, struct error **err)
{
        if (world->may_define)
                return domain_of(uuid, err);
        world_violation("the power state or the definition was touched");
        error_set(err, ERROR_INTERNAL, "not in the model");
        return NULL;
}

static int refuse_pause(struct hypervisor *hypervisor _unused_, const char *uuid _unused_,
                        struct error **err)
{
        world_violation("the VM was to be paused or resumed");
        return error_set(err, ERROR_INTERNAL, "not in the model");
}

static int start_domain(struct hypervisor *hypervisor _unused_, const char *uuid, bool paused,
                        struct error **err)
{
        struct world_domain *domain = domain_to_change(uuid, err);
        if (!domain)
                return -1;
        if (paused)
                world_violation("%s was to be started paused", domain->name);
        if (domain->state == DOMAIN_STATE_RUNNING)
                return error_set(err, ERROR_REFUSED, "the domain is already running");
        return world_domain_start(domain, err);
}

static int shut_down_domain(struct hypervisor *hypervisor _unused_, const char *uuid,
                            struct error **err)
{
        struct world_domain *domain = domain_to_change(uuid, err);
        if (!domain || domain->state != DOMAIN_STATE_RUNNING)
                return domain ? not_running(err) : -1;
        if (!domain->off_at)
                domain->off_at = world->now_ms + SHUTDOWN_MS;
        return 0;
}

static int destroy_domain(struct hypervisor *hypervisor _unused_, const char *uuid,
                          struct error **err)
{
        struct world_domain *domain = domain_to_change(uuid, err);
        if (!domain)
                return -1;
        if (domain->state == DOMAIN_STATE_RUNNING)
                world_domain_end(domain);
        return 0;
}

static int define_domain(struct hypervisor *hypervisor _unused_, const char *xml, char **ret_uuid,
                         struct error **err)
{
        if (!world->may_define)
                return domain_to_change("", err) ? 0 : -1;
        const struct world_domain *domain = world_domain_define(xml, err);
        if (domain && ret_uuid)
                *ret_uuid = xstrdup(domain->uuid);
        return domain ? 0 : -1;
}

static int undefine_domain(struct hypervisor *hypervisor _unused_, const char *uuid,
                           struct error **err)
{
        struct world_domain *domain = domain_to_change(uuid, err);
        if (!domain)
                return -1;
        world_domain_undefine(domain);
        return 0;
}

static int get_autostart(struct hypervisor *hypervisor _unused_, const char *uuid, bool *ret,
                         struct error **err)
{
        const struct world_domain *domain = domain_of(uuid, err);
        if (!domain)
                return -1;
        *ret = domain->autostart;
        return 0;
}

static int set_autostart(struct hypervisor *hypervisor _unused_, const char *uuid, bool on,
                         struct error **err)
{
        struct world_domain *domain = domain_to_change(uuid, err);
        if (!domain)
                return -1;
        domain->autostart = on;
        return 0;
}

static int find_network(struct hypervisor *hypervisor _unused_, const char *name, bool *ret_active,
                        struct error **err _unused_)
{
        *ret_active = true;
        return streq(name, "default");
}

static int find_pool(struct hypervisor *hypervisor _unused_, const char *name _unused_,
                     char **ret_xml _unused_, struct error **err _unused_)
{
        return 0;
}

const struct hypervisor_operations model_operations = {
        .versions = get_versions,
        .exec = run_command,
        .stop_unit = stop_unit,
        .find_domain = find_domain,
        .list_domains = list_domains,
        .get_xml = get_xml,
        .list_snapshots = list_snapshots,
        .agent_state = get_agent_state,
        .fsfreeze_status = get_freeze_status,
        .fsfreeze = freeze,
        .fsthaw = thaw,
        .agent_command = refuse_agent_command,
        .snapshot = take_snapshot,
        .block_commit = begin_commit,
        .block_pull = begin_pull,
        .block_job = get_block_job,
        .block_unlimit = unlimit_block_job,
        .block_pivot = pivot,
        .block_abort = abort_job,
        .block_size = get_block_size,
        .list_checkpoints = list_checkpoints,
        .update_device = update_device,
        .suspend = refuse_pause,
        .resume = refuse_pause,
        .start = start_domain,
        .shutdown = shut_down_domain,
        .destroy = destroy_domain,
        .define = define_domain,
        .undefine = undefine_domain,
        .get_autostart = get_autostart,
        .set_autostart = set_autostart,
        .find_network = find_network,
        .find_pool = find_pool,
};
