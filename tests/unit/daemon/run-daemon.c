/* The daemon with options that tests need: run-daemon SETTINGS [NAME=VALUE…]. With worker=PATH it
 * starts that instead of itself. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/strings.h"
#include "daemon/daemon.h"

int main(int argc, char *argv[])
{
        struct daemon_options options = { 0 };
        const char *worker[2] = { NULL, NULL };
        const struct {
                const char *name;
                int64_t *value;
        } numbers[] = {
                { "stall_ms=", &options.stall_ms },
                { "grace_ms=", &options.grace_ms },
                { "stuck_ms=", &options.stuck_ms },
                { "share_retry_ms=", &options.share_retry_ms },
                { "share_refresh_ms=", &options.share_refresh_ms },
                { "share_answer_ms=", &options.share_answer_ms },
                { "keepalive_ms=", &options.keepalive_ms },
                { "recover_delay_ms=", &options.recover_delay_ms },
        };
        for (int i = 2; i < argc; i++) {
                if (str_starts_with(argv[i], "worker="))
                        worker[0] = argv[i] + strlen("worker=");
                else if (str_starts_with(argv[i], "last_resort_signal="))
                        options.last_resort_signal = atoi(argv[i] + strlen("last_resort_signal="));
                for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
                        if (str_starts_with(argv[i], numbers[n].name))
                                *numbers[n].value = atoll(argv[i] + strlen(numbers[n].name));
        }
        if (worker[0])
                options.worker_argv = worker;
        /* A test that fails leaves nothing behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        log_init(LOG_LEVEL_INFO);
        return argc < 2 ? 2 : daemon_main(argv[1], &options);
}
