/* What one test-restore owns, and what it has observed so far. */
#include <stdarg.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/test-restore/test-restore-internal.h"

void test_restore_done(struct test_restore *test)
{
        for (size_t i = 0; i < test->n_disks; i++) {
                free(test->disks[i].target);
                strv_free(test->disks[i].layers);
        }
        free(test->disks);
        for (size_t i = 0; test->before && i < test->n_chain; i++)
                fingerprint_done(&test->before[i]);
        free(test->before);
        free(test->chain);
        /* The lease of a kept domain stays on the share. */
        if (test->kept)
                lease_free(test->lease);
        else
                lease_release(test->lease);
        point_list_done(&test->points);
        test_restore_options_done(&test->options);
        strbuf_done(&test->console);
        strv_free(test->evidence);
        free(test->name);
        free(test->work);
        free(test->base);
        free(test->xml);
        free(test->reason);
        free(test->ended);
        vm_job_done(&test->job);
}

void test_restore_saw(struct test_restore *test, enum check_name check, enum check_verdict verdict,
                      const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        _cleanup_free_ char *clean = str_one_line(text, 400);
        strv_addf(&test->evidence, "%s: %s", check_name_text(check), clean);
        report_check(test->job.report, CHECK_AFTER, check, verdict, "%s", clean);
}
