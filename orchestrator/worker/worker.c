/* Implements worker/worker.h: reads the request, prepares the process, and calls the action. */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh.h"
#include "worker/backup/backup.h"
#include "worker/job/cancel.h"
#include "worker/recover/recover.h"
#include "worker/restore/restore.h"
#include "worker/test-restore/test-restore.h"
#include "worker/upkeep/discover.h"
#include "worker/upkeep/host-check.h"
#include "worker/upkeep/prune.h"
#include "worker/upkeep/verify.h"

enum { REQUEST_MAX = 16 * 1024 * 1024 };

static char *read_request(struct error **err)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        char chunk[65536];
        for (;;) {
                ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        error_set(err, ERROR_INTERNAL,
                                  "no job request on stdin (this verb is for the daemon)");
                        return NULL;
                }
                strbuf_append(&buf, chunk, (size_t)n);
                char *newline = memchr(buf.data, '\n', buf.length);
                if (newline) {
                        *newline = '\0';
                        return strbuf_take(&buf);
                }
                if (buf.length > REQUEST_MAX) {
                        error_set(err, ERROR_INTERNAL, "the job request is larger than %d bytes",
                                  REQUEST_MAX);
                        return NULL;
                }
        }
}

static void prepare_process(void)
{
        cancel_watch_signals();
        signal(SIGPIPE, SIG_IGN);
        umask(077);
}

static int dispatch_request(const struct job_request *request, const struct settings *settings,
                            const struct inventory *inventory)
{
        _cleanup_(report_done) struct report report;
        report_init(&report, request->vm, NULL);
        switch (request->action) {
        case JOB_BACKUP:
        case JOB_CHECK:
                return backup_run(request, settings, inventory, &report);
        case JOB_RECOVER:
                return recover_run(request, settings, inventory, &report);
        case JOB_HYPERVISOR_CHECK:
                return host_check_run(request, settings, inventory, &report);
        case JOB_VERIFY:
                return verify_run(request, settings, &report);
        case JOB_PRUNE:
                return prune_run(request, settings, inventory, &report);
        case JOB_DISCOVER:
                return discover_run(request, settings, inventory, &report);
        case JOB_RESTORE:
                return restore_run(request, settings, inventory, &report);
        case JOB_TEST_RESTORE:
                return test_restore_run(request, settings, inventory, &report);
        }
        _cleanup_error_ struct error *error = NULL;
        error_set(&error, ERROR_CONFIG, "this version has no action '%s'",
                  job_action_name(request->action));
        return report_failure(&report, NULL, TAKE_PTR(error));
}

static int run_request(const char *text, struct error **err)
{
        _cleanup_(job_request_freep) struct job_request *request =
                job_request_parse(text, strlen(text), err);
        if (!request)
                return -1;
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(settings_freep) struct settings *settings =
                settings_parse(request->settings_text, strlen(request->settings_text),
                               request->settings_path, &problems);
        _cleanup_(inventory_freep) struct inventory *inventory =
                settings ? inventory_parse(request->inventory_text, strlen(request->inventory_text),
                                           request->inventory_path, &problems)
                         : NULL;
        if (!inventory)
                return problems_to_error(&problems, err);
        if (clock_set_timezone(settings->cycle_timezone, err) < 0 || libvirt_ssh_init(err) < 0)
                return -1;
        return dispatch_request(request, settings, inventory);
}

int worker_main(void)
{
        prepare_process();
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *text = read_request(&error);
        int status = text ? run_request(text, &error) : -1;
        if (status < 0) {
                log_error("worker: %s", error_message(error));
                status = STATUS_USAGE;
        }
        /* Exits without exit handlers: an abandoned call still runs in a library, and that
         * library's exit handlers would free what the call uses. Events are sent with write(2), so
         * no output is lost. */
        if (libvirt_ssh_calls_left_behind())
                _exit(status);
        return status;
}
