#include "campaign.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "decorator.h"
#include "repository/points.h"
#include "worker/worker.h"

enum { WORKER_HANGS_S = 60, MAX_EVENTS_BYTES = 4 * 1024 * 1024 };

static const char settings_text[] =
        "repository: { path: " WORLD_SHARE ", fstype: any }\n"
        "limits: { thaw_deadline_seconds: 20, copy_stall_seconds: 60 }\n"
        "checks: { hypervisor_free_gib: 2, hypervisor_low_water_gib: 1 }\n";

bool campaign_make_repository(struct campaign *campaign)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *uuid = NULL;
        world_new();
        world_reset();
        world_empty_share();
        if (clock_set_timezone("UTC", &error) == 0 &&
            repository_init(WORLD_SHARE, REPOSITORY_FSTYPE_ANY, &uuid, &error) == 0)
                campaign->repository = repository_open(WORLD_SHARE, REPOSITORY_FSTYPE_ANY, &error);
        if (!campaign->repository)
                fprintf(stderr, "%s\n", error_message(error));
        return campaign->repository != NULL;
}

void verdict_done(struct verdict *verdict)
{
        free(verdict->status);
        free(verdict->path);
        free(verdict->error);
        free(verdict->diagnostics);
        *verdict = (struct verdict){ 0 };
}

static char *make_request(const struct campaign *campaign, enum job_action action, const char *job)
{
        _cleanup_free_ char *inventory =
                xasprintf("hypervisors: [ { name: " WORLD_HOST ", scratch: " WORLD_IMAGES " } ]\n"
                          "vms: [ { name: " WORLD_VM ", hypervisor: " WORLD_HOST
                          ", method: %s, retention_weeks: 8 } ]\n",
                          campaign->method);
        struct job_request request = {
                .job = (char *)(uintptr_t)job,
                .action = action,
                .vm = (char[]){ WORLD_VM },
                .trigger = (char[]){ "adhoc" },
                .options = action == JOB_RESTORE ? json_loads(campaign->options, 0, NULL) : NULL,
                .started = 1795000000 + (action == JOB_BACKUP && job[7] != '0' ? 60 : 0),
                .settings_path = (char[]){ "/etc/orch/orch.yaml" },
                .settings_text = (char *)(uintptr_t)settings_text,
                .inventory_path = (char[]){ "/etc/orch/vm-list.yaml" },
                .inventory_text = inventory,
                .repository_uuid = (char *)(uintptr_t)repository_uuid(campaign->repository),
                .pinned_uuid = (char[]){ WORLD_UUID },
        };
        _cleanup_free_ char *line = job_request_format(&request);
        json_decref(request.options);
        return xasprintf("%s\n", line);
}

/* stdin stays open while the worker runs: it is its life line. */
static _Noreturn void be_the_worker(int input, int output, int errors)
{
        dup2(input, STDIN_FILENO);
        dup2(output, STDOUT_FILENO);
        dup2(errors, STDERR_FILENO);
        alarm(WORKER_HANGS_S);
        decorator_begin();
        int status = worker_main();
        /* exit() looks for leaks, which takes its time: every fourth call is enough, because each
         * path is met by several faults. */
        if (world->fault.at % 4)
                _exit(status);
        exit(status);
}

static char *read_whole(int fd)
{
        struct strbuf text = { 0 };
        char piece[8192];
        lseek(fd, 0, SEEK_SET);
        for (ssize_t n; text.length < MAX_EVENTS_BYTES && (n = read(fd, piece, sizeof piece)) > 0;)
                strbuf_append(&text, piece, (size_t)n);
        return strbuf_take(&text);
}

/* The last event has to be the result. */
static void read_result(char *events, struct verdict *verdict)
{
        char *last = NULL;
        for (char *line = strtok(events, "\n"); line; line = strtok(NULL, "\n"))
                last = line;
        _cleanup_(event_freep) struct event *event =
                last ? event_parse(last, strlen(last), NULL) : NULL;
        if (!event || event->type != EVENT_RESULT)
                return;
        verdict->status = xstrdup(event->status);
        verdict->path = xstrdup(event->path);
        verdict->error = xstrdup(event->error);
}

void campaign_run(const struct campaign *campaign, enum job_action action, const char *job,
                  struct verdict *ret)
{
        _cleanup_free_ char *request = make_request(campaign, action, job);
        _cleanup_close_ int output = memfd_create("events", MFD_CLOEXEC);
        _cleanup_close_ int errors = memfd_create("diagnostics", MFD_CLOEXEC);
        int life_line[2];
        if (output < 0 || errors < 0 || pipe2(life_line, O_CLOEXEC) < 0 ||
            fs_write_all(life_line[1], request, strlen(request), NULL) < 0)
                abort();
        world->calls = 0;
        world->network_back_at = 0;
        fflush(NULL);
        pid_t pid = fork();
        if (pid < 0)
                abort();
        if (pid == 0) {
                close(life_line[1]);
                free(request);
                request = NULL;
                be_the_worker(life_line[0], output, errors);
        }
        int status = 0;
        while (waitpid(pid, &status, 0) < 0)
                ;
        /* a QEMU that it started and that has ended meanwhile is this process's by now */
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
        close(life_line[0]);
        close(life_line[1]);
        *ret = (struct verdict){ .exit_status = WIFEXITED(status) ? WEXITSTATUS(status)
                                                                  : 128 + WTERMSIG(status) };
        ret->killed = ret->exit_status == 128 + SIGKILL;
        ret->diagnostics = read_whole(errors);
        _cleanup_free_ char *events = read_whole(output);
        read_result(events, ret);
        if (strstr(ret->diagnostics, "ERROR: ") || strstr(ret->diagnostics, "runtime error:"))
                world_violation("a sanitizer found something");
        world_trace("        -> %s%s%s (exit %d)\n",
                    ret->killed   ? "killed"
                    : ret->status ? ret->status
                                  : "no result",
                    ret->error ? ": " : "", ret->error ? ret->error : "", ret->exit_status);
}

void campaign_check_verdict(const struct verdict *verdict)
{
        static const struct {
                const char *status;
                int exit_status;
        } right[] = { { "ok", 0 }, { "failed", 1 }, { "cancelled", 5 } };
        if (verdict->killed)
                return;
        bool known = false;
        for (size_t i = 0; verdict->status && i < ARRAY_LENGTH(right); i++)
                known = known || (streq(verdict->status, right[i].status) &&
                                  verdict->exit_status == right[i].exit_status);
        if (!known)
                world_violation("the worker ended with status %d and the verdict %s",
                                verdict->exit_status, verdict->status ? verdict->status : "(none)");
        if (verdict->status && !streq(verdict->status, "ok") && str_empty(verdict->error))
                world_violation("a verdict that is not ok says no reason");
}

/* What a point says and holds has to be what the disks held at the moment of its snapshot. */
static void check_point(const struct campaign *campaign, const struct point *point)
{
        _cleanup_error_ struct error *error = NULL;
        if (point->problem || !point->metadata) {
                world_violation("the point %s is listed and damaged: %s", point->name,
                                point->problem ? point->problem : "no metadata");
                return;
        }
        if (points_verify_checksums(campaign->repository, point->path, &error) < 0)
                world_violation("the point %s does not verify: %s", point->name, error->message);
        bool filesystem = streq(point->metadata->consistency, "filesystem");
        if (filesystem && !world->frozen_at_snapshot)
                world_violation(
                        "the point %s calls itself consistent, and its guest was not frozen",
                        point->name);
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                uint64_t slots[WORLD_SLOTS];
                _cleanup_free_ char *path = xasprintf(WORLD_SHARE "/%s/" WORLD_VM "-%s.qcow2",
                                                      point->path, world_vm()->disks[i].target);
                if (!image_read(path, slots))
                        world_violation("%s is listed and is no whole image", path);
                else if (memcmp(slots, world_vm()->disks[i].at_snapshot, sizeof slots) != 0)
                        world_violation("%s is not what the disk held at its snapshot", path);
        }
}

size_t campaign_count_points(const struct campaign *campaign)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        if (points_scan_vm(campaign->repository, WORLD_HOST, WORLD_VM, &list, NULL) < 0)
                world_violation("the share cannot be scanned");
        return list.count;
}

void campaign_check_always(const struct campaign *campaign, const struct verdict *verdict,
                           bool expect_off)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        world_look();
        campaign_check_verdict(verdict);
        world_check_writes();
        if ((world_vm()->state == DOMAIN_STATE_SHUT_OFF) != expect_off)
                world_violation("the VM is %s", domain_state_name(world_vm()->state));
        if ((world->frozen || world->freeze_pending) && !world_timer_is_armed())
                world_violation("the guest is frozen and no dead-man is armed");
        if (points_scan_vm(campaign->repository, WORLD_HOST, WORLD_VM, &list, NULL) < 0)
                world_violation("the share cannot be scanned");
        /* Of several points only the newest is of the last snapshot, which is the one that is
         * remembered. */
        if (list.count)
                check_point(campaign, &list.items[0]);
        bool ok = verdict->status && streq(verdict->status, "ok");
        if (ok && verdict->path && (!list.count || !streq(list.items[0].path, verdict->path)))
                world_violation("ok was told of %s, which is not listed", verdict->path);
        if (!ok && !verdict->killed && list.count)
                world_violation("the verdict is %s, and a point is listed",
                                verdict->status ? verdict->status : "missing");
}

void campaign_check_folder(const char *path, const char *part, const char *when)
{
        _cleanup_(closedirp) DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, "..") &&
                    strstr(entry->d_name, part))
                        world_violation("%s: %s/%s is left", when, path, entry->d_name);
}

void campaign_check_clean(const char *when)
{
        world_look();
        if (world->frozen || world->freeze_pending)
                world_violation("%s: the guest is frozen", when);
        if (world_timer_is_armed())
                world_violation("%s: a dead-man is still armed", when);
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                const struct world_disk *disk = &world_vm()->disks[i];
                if (!streq(disk->chain[0], disk->base))
                        world_violation("%s: disk %s is on %s", when, disk->target, disk->chain[0]);
                if (disk->committing)
                        world_violation("%s: disk %s has a block job", when, disk->target);
                if (world_disk_is_read(disk))
                        world_violation("%s: a copy of disk %s still runs", when, disk->target);
        }
        campaign_check_folder(WORLD_IMAGES, "orch-", when);
        campaign_check_folder("/run/orch", "", when);
        campaign_check_folder("/var/lib/orch", "", when);
        campaign_check_folder(WORLD_SHARE "/" WORLD_HOST "/" WORLD_VM, ".staging-", when);
        campaign_check_folder(WORLD_SHARE "/" WORLD_HOST "/" WORLD_VM, ".removing-", when);
        campaign_check_folder(WORLD_SHARE, ".orch-probe-", when);
}
