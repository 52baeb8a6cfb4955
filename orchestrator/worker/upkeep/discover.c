/* Implements worker/upkeep/discover.h. A domain is matched to a VM of the inventory by its UUID if
 * that is pinned (the request's options have the pins by VM), else by its name, as a backup does
 * it. */
#include "worker/upkeep/discover.h"

#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/test-traces.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"

static const char *pin_of(const struct job_request *request, const char *vm)
{
        return json_string_value(json_object_get(request->options, vm));
}

static const char *find_vm(const struct job_request *request, const struct inventory *inventory,
                           const struct domain_info *info)
{
        for (size_t i = 0; i < inventory->n_vms; i++) {
                const struct inventory_vm *vm = &inventory->vms[i];
                const char *pin = pin_of(request, vm->name);
                if (pin ? streq(pin, info->uuid)
                        : streq(vm->domain ? vm->domain : vm->name, info->name))
                        return vm->name;
        }
        return NULL;
}

static int discover_list(const struct job_request *request, const struct settings *settings,
                         const struct inventory *inventory,
                         const struct inventory_hypervisor *entry, struct report *report,
                         struct error **err)
{
        report_step(report, STEP_NAME_CONNECT);
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                worker_connect(settings, entry, 0, err);
        if (!host)
                return -1;
        report_step(report, STEP_NAME_LIST);
        _cleanup_strv_ char **uuids = NULL;
        if (host->ops->list_domains(host, &uuids, err) < 0)
                return -1;
        size_t n = 0;
        for (size_t i = 0; uuids && uuids[i]; i++) {
                _cleanup_domain_info_ struct domain_info info = { 0 };
                if (worker_check_cancelled(err) < 0)
                        return -1;
                int found = host->ops->find_domain(host, uuids[i], NULL, &info, err);
                if (found < 0)
                        return -1;
                /* The domain was removed meanwhile, or it belongs to a test-restore. */
                if (!found || test_traces_is_ours(info.name, request->repository_uuid, NULL))
                        continue;
                report_domain(report, info.name, info.uuid, domain_state_name(info.state),
                              find_vm(request, inventory, &info));
                n++;
        }
        report_step_end(report, STEP_DONE, "%zu domains", n);
        return 0;
}

int discover_run(const struct job_request *request, const struct settings *settings,
                 const struct inventory *inventory, struct report *report)
{
        const struct inventory_hypervisor *entry = inventory_find_hypervisor(
                inventory, request->hypervisor ? request->hypervisor : "");
        _cleanup_error_ struct error *error = NULL;
        if (!entry)
                error_set(&error, ERROR_CONFIG, "the inventory has no hypervisor named %s",
                          request->hypervisor ? request->hypervisor : "(none)");
        else
                (void)!discover_list(request, settings, inventory, entry, report, &error);
        if (error)
                return report_failure(report, NULL, TAKE_PTR(error));
        report_result(report, "ok", NULL, NULL);
        return STATUS_OK;
}
