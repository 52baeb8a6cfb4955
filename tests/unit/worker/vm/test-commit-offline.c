/* A VM that is off, on an overlay: what its host's image tool says, over a scripted host. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "scripted-host.h"
#include "worker/vm/commit-offline.h"

static struct settings settings = { .limits = { .copy_stall_seconds = 600 } };
static struct inventory_vm vm = { .name = (char *)"db-01" };

static bool compare(struct scripted_host *host, struct report *report)
{
        struct vm_job job = {
                .host = &host->base, .report = report, .settings = &settings, .vm = &vm
        };
        struct vm_disk disk = { .target = (char *)"vda",
                                .base = (char *)"/i/a.qcow2",
                                .format = (char *)"qcow2",
                                .overlay = (char *)"/i/a.qcow2.orch-1a2b3c4d-20261120-3f9a" };
        bool same = false;
        cr_assert_eq(commit_compare(&job, &disk, &same, NULL), 0);
        return same;
}

/* Hours may pass: the daemon must see that the worker is alive, or it would end the recovery again
 * and again. */
Test(commit_offline, an_image_tool_that_takes_long_is_told_of)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        _cleanup_(report_done) struct report report;
        report_init(&report, "db-01", NULL);
        cr_assert(compare(&host, &report));
        cr_assert_eq(report.log.length, 0, "%s", report.log.data);
        report.sent_ms = clock_monotonic_ms() - 61 * 1000;
        cr_assert(compare(&host, &report));
        cr_assert(strstr(report.log.data, "qemu-img compare of disk vda has been running"), "%s",
                  report.log.data);
        cr_assert_geq(report.sent_ms, clock_monotonic_ms() - 30 * 1000,
                      "one line is enough for a minute");
}

Test(commit_offline, that_two_images_differ_is_no_error)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        _cleanup_(report_done) struct report report;
        report_init(&report, "db-01", NULL);
        host.status = 1;
        cr_assert_not(compare(&host, &report));
}
