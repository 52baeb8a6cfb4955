/* What is read of Bacula: a file that may once have been made by orch, and the console's answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "cli/bacula/bacula-config.h"
#include "cli/client/bacula-console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char wanted[] =
        "# a comment\nClient {\n  Name = \"orch\"\n  Address = \"127.0.0.1\"\n}\n\n"
        "Job {\n  Name = \"orch-run\"\n  RunScript {\n    Command = \"orch run\"\n  }\n}\n";

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void compare(const char *ours, const char *theirs)
{
        _cleanup_strv_ char **report = bacula_config_compare(ours, theirs);
        require(!report == streq(ours, theirs));
        require(strv_length(report) <= 20);
        for (size_t i = 0; report && report[i]; i++)
                require(*report[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);
        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        compare(wanted, text);
        compare(text, wanted);
        compare(text, text);
        require(!bacula_console_says_cancelled(text, "12") ||
                (strstr(text, "jobid=12") && strstr(text, "status=A")));
        free(text);
        return 0;
}
