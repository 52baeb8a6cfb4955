/* Implements worker/upkeep/host-check.h. */
#include "worker/upkeep/host-check.h"

#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository.h"
#include "transports/hypervisor.h"
#include "worker/host/host-probe.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"

static void host_check_report(struct report *report, bool passed, size_t *failures,
                              enum check_name name, const char *measured)
{
        report_check(report, CHECK_BEFORE, name, passed ? CHECK_PASS : CHECK_FAIL, "%s", measured);
        *failures += passed ? 0 : 1;
}

static void host_check_share(struct report *report, const struct settings *settings,
                             const char *path, const char *our_uuid, const struct host_probe *probe,
                             size_t *failures)
{
        bool right_type =
                probe->mount_type && (settings->repository_fstype == REPOSITORY_FSTYPE_ANY ||
                                      streq(probe->mount_type, "nfs4"));
        _cleanup_free_ char *mounted = xasprintf(
                "%s: %s", path, probe->mount_type ? probe->mount_type : "not a mount point");
        host_check_report(report, right_type, failures, CHECK_NAME_SHARE_MOUNTED, mounted);
        if (!probe->mount_type)
                return;
        host_check_report(report, our_uuid && streq(our_uuid, probe->repository_uuid), failures,
                          CHECK_NAME_SHARE_MARKER,
                          probe->repository_uuid ? probe->repository_uuid : "no marker");
        host_check_report(report, !probe->write_problem, failures, CHECK_NAME_SHARE_WRITABLE,
                          probe->write_problem ? probe->write_problem : "written, synced, removed");
        _cleanup_free_ char *room = format_bytes(probe->share_free_bytes);
        report_check(report, CHECK_BEFORE, CHECK_NAME_SHARE_SPACE, CHECK_PASS, "%s free", room);
}

static void host_check_tools(struct report *report, const struct settings *settings,
                             const struct inventory_hypervisor *entry,
                             const struct host_probe *probe, size_t *failures)
{
        _cleanup_free_ char *missing = strv_join(probe->missing_tools, ", ");
        host_check_report(report, !*missing, failures, CHECK_NAME_HOST_TOOLS,
                          *missing ? missing : "all there");
        uint64_t needed = (uint64_t)settings->checks.hypervisor_free_gib * 1024 * 1024 * 1024;
        uint64_t room = probe->folder_free_bytes[0];
        _cleanup_free_ char *room_text =
                room == UINT64_MAX ? xstrdup("unknown") : format_bytes(room);
        _cleanup_free_ char *measured =
                xasprintf("%s free in %s, more than %u GiB needed", room_text, entry->scratch,
                          settings->checks.hypervisor_free_gib);
        host_check_report(report, room != UINT64_MAX && room > needed, failures,
                          CHECK_NAME_HYPERVISOR_SPACE, measured);
}

static int probe_all(const struct job_request *request, const struct settings *settings,
                     const struct inventory_hypervisor *entry, struct report *report,
                     size_t *failures, struct error **err)
{
        report_step(report, STEP_NAME_CONNECT);
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                worker_connect(settings, entry, 0, err);
        if (!host)
                return -1;
        struct hypervisor_versions versions = { 0 };
        if (host->ops->versions(host, &versions, err) < 0)
                return -1;
        report_step_end(report, STEP_DONE, "libvirt %lu.%lu.%lu, QEMU %lu.%lu.%lu",
                        versions.libvirt / 1000000, versions.libvirt / 1000 % 1000,
                        versions.libvirt % 1000, versions.qemu / 1000000,
                        versions.qemu / 1000 % 1000, versions.qemu % 1000);
        report_step(report, STEP_NAME_PROBE);
        const char *path = worker_host_repository(settings, entry);
        char *folders[] = { entry->scratch, NULL };
        _cleanup_free_ char *tag = names_tag("00000000", request->job);
        struct host_probe probe = { 0 };
        const struct host_probe_request asked = {
                .repository = path, .tag = tag, .write_test = true, .folders = folders
        };
        if (host_probe_run(host, &asked, &probe, err) < 0)
                return -1;
        host_check_tools(report, settings, entry, &probe, failures);
        host_check_share(report, settings, path, request->repository_uuid, &probe, failures);
        host_probe_done(&probe);
        report_step_end(report, STEP_DONE, NULL);
        return 0;
}

int host_check_run(const struct job_request *request, const struct settings *settings,
                   const struct inventory *inventory, struct report *report)
{
        const struct inventory_hypervisor *entry = inventory_find_hypervisor(
                inventory, request->hypervisor ? request->hypervisor : "");
        _cleanup_error_ struct error *error = NULL;
        size_t failures = 0;
        if (!entry)
                error_set(&error, ERROR_CONFIG, "the inventory has no hypervisor named %s",
                          request->hypervisor ? request->hypervisor : "(none)");
        else if (probe_all(request, settings, entry, report, &failures, &error) == 0 && failures)
                error_set(&error, ERROR_REFUSED, "%zu checks of %s failed", failures, entry->name);
        report_result(report, error ? "failed" : "ok", NULL, error);
        return error ? STATUS_JOB_FAILED : STATUS_OK;
}
