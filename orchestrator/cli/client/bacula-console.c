/* Implements cli/client/bacula-console.h.
 *
 * After `.api 2` the Director answers in lines of KEY=VALUE, which are the same in every language.
 * The lines of a job begin with its jobid; its status is one letter, A for cancelled. */
#include "cli/client/bacula-console.h"

#include <string.h>

#include "base/child.h"
#include "base/strings.h"

enum { CONSOLE_TIMEOUT_MS = 5000, ANSWER_MAX_BYTES = 4 << 20 };

static bool answer_line_is(const char *line, size_t length, const char *key, const char *value)
{
        size_t key_length = strlen(key);
        return length == key_length + strlen(value) && memcmp(line, key, key_length) == 0 &&
               memcmp(line + key_length, value, length - key_length) == 0;
}

bool bacula_console_says_cancelled(const char *answer, const char *job)
{
        bool of_job = false;
        for (const char *line = answer; *line;) {
                size_t length = strcspn(line, "\r\n");
                if (str_starts_with(line, "jobid="))
                        of_job = answer_line_is(line, length, "jobid=", job);
                else if (of_job && answer_line_is(line, length, "status=", "A"))
                        return true;
                line += length + strspn(line + length, "\r\n");
        }
        return false;
}

int bacula_console_is_cancelled(const char *config, const char *job, struct error **err)
{
        const char *const argv[] = { "bconsole", "-c", config, NULL };
        const struct child_options options = {
                .timeout_ms = CONSOLE_TIMEOUT_MS,
                .input = ".api 2\n.status dir running\nquit\n",
                .max_output = ANSWER_MAX_BYTES,
        };
        _cleanup_child_result_ struct child_result result = { 0 };
        if (child_run(argv, &options, &result, err) < 0)
                return -1;
        if (result.status != 0 || !strstr(result.output, "1000 OK")) {
                _cleanup_free_ char *said =
                        str_one_line(*result.errors ? result.errors : result.output, 200);
                return error_set(err, ERROR_UNREACHABLE,
                                 "bconsole -c %s does not list the running jobs (exit %d): %s",
                                 config, result.status, said);
        }
        return bacula_console_says_cancelled(result.output, job);
}

bool bacula_status_is_cancelled(const char *status)
{
        return str_starts_with(status, "Cancel");
}
