/* What one recovery owns, and how it reports its findings. */
#include "worker/recover/recovery.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"

void recovery_done(struct recovery *recovery)
{
        for (size_t i = 0; i < recovery->leftover.n_disks; i++)
                vm_disk_done(&recovery->leftover.disks[i]);
        free(recovery->leftover.disks);
        domain_info_done(&recovery->leftover.info);
        deadman_traces_done(&recovery->deadmen);
        domain_xml_free(recovery->live);
        domain_xml_free(recovery->inactive);
        strv_free(recovery->jobs);
        free(recovery->short_uuid);
        error_free(recovery->problem);
}

void recovery_says(struct recovery *recovery, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        if (recovery->dry_run)
                report_log(recovery->job->report, "would be put right: %s", text);
        else
                report_warning(recovery->job->report, "%s", text);
        recovery->repaired++;
}

void recovery_fails(struct recovery *recovery, struct error *error)
{
        if (error && recovery->problem)
                report_warning(recovery->job->report, "%s", error->message);
        if (recovery->problem)
                error_free(error);
        else
                recovery->problem = error;
}
