/* orch.yaml. What is accepted has only absolute paths and values within their ranges; what is
 * refused says why. */
#include <stdint.h>
#include <stdlib.h>

#include "base/strings.h"
#include "schema/config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static bool is_week_time(const struct week_time *time)
{
        return time->weekday >= 0 && time->weekday <= 6 && time->hour >= 0 && time->hour <= 23 &&
               time->minute >= 0 && time->minute <= 59;
}

static void check(const struct settings *settings)
{
        require(settings->repository_path[0] == '/' && settings->repository_path[1]);
        require(!str_ends_with(settings->repository_path, "/"));
        require(settings->inventory[0] == '/' && settings->socket[0] == '/' &&
                settings->daemon.state[0] == '/');
        require(settings->ssh.key[0] == '/' && settings->ssh.known_hosts[0] == '/' &&
                *settings->ssh.user);
        require(is_week_time(&settings->cycle_start) && is_week_time(&settings->slack.summary));
        require(settings->limits.jobs > 0 && settings->limits.jobs_per_hypervisor > 0 &&
                settings->limits.copy_stall_seconds > 0);
        require(settings->ssh.port > 0 && settings->ssh.port <= 65535);
        require(settings->checks.repository_free_factor >= 0 &&
                settings->checks.repository_free_factor <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(settings_freep) struct settings *settings =
                settings_parse((const char *)data, size, "/etc/orch/orch.yaml", &problems);
        _cleanup_free_ char *text = problems_format(&problems);
        require(!settings == (problems.n_errors > 0));
        require(!*text == (problems.count == 0));
        if (settings)
                check(settings);
        return 0;
}
