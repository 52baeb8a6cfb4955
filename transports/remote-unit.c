/* Implements transports/remote-unit.h.
 *
 * Without systemd a unit is a process group whose leader is timeout(1). The pidfile holds the
 * leader's pid and start time (the two together identify a process uniquely). The leader writes it
 * before it becomes timeout(1). A file whose process is gone may be removed by anyone. */
#include "transports/remote-unit.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/scripts.h"

enum {
        GRACE_MS = 2000,
        STATUS_NOT_LOADED = 5,
        STATUS_STILL_RUNNING = 75,
        LONGEST_UNIT_REASON = 300
};

#define RUN_DIR "/run/orch"

/* A unit's command prints this on stderr before anything else (unit-begin.sh, unit-status.sh). If
 * it is missing, the exit status is that of the starter (the name is in use, systemd is too busy),
 * which is 1 and could otherwise be taken for the command's. */
#define BEGAN "orch: the unit began"

char *remote_abilities_command(void)
{
        const char *const argv[] = { "sh", "-c", unit_abilities_script, NULL };
        return shell_join(argv);
}

static bool has_line(const char *text, const char *line)
{
        size_t n = strlen(line);
        for (const char *p = text; (p = strstr(p, line)); p += n)
                if ((p == text || p[-1] == '\n') && (p[n] == '\n' || p[n] == '\0'))
                        return true;
        return false;
}

struct remote_abilities remote_abilities_parse(const char *output)
{
        return (struct remote_abilities){
                .systemd = has_line(output, "systemd"),
                .virt_ssh_helper = has_line(output, "virt-ssh-helper"),
        };
}

static int check_unit_name(const char *unit, struct error **err)
{
        if (name_is_safe(unit))
                return 0;
        _cleanup_free_ char *shown = str_one_line(unit, 120);
        return error_set(err, ERROR_INTERNAL, "'%s' cannot be the name of a unit", shown);
}

/* systemd expands "$X" and "${X}" in a unit's command line; "$$" stands for one "$". */
static void add_unit_escaped(char ***words, const char *word)
{
        _cleanup_strbuf_ struct strbuf escaped = { 0 };
        for (const char *c = word; *c; c++)
                strbuf_add(&escaped, *c == '$' ? "$$" : (const char[]){ *c, '\0' });
        strv_add(words, escaped.data ? escaped.data : "");
}

static char *systemd_command(const char *unit, const char *const argv[], int64_t limit_ms)
{
        _cleanup_strv_ char **words = NULL;
        strv_add(&words, "systemd-run");
        strv_addf(&words, "--unit=%s", unit);
        const char *const options[] = { "--collect",
                                        "--wait",
                                        "--pipe",
                                        "--quiet",
                                        "--property=TimeoutStopSec=5",
                                        "--property=IgnoreSIGPIPE=no",
                                        NULL };
        for (size_t i = 0; options[i]; i++)
                strv_add(&words, options[i]);
        strv_addf(&words, "--property=RuntimeMaxSec=%lldms", (long long)limit_ms);
        const char *const shell[] = { "--", "/bin/sh", "-c", unit_status_script, "orch", NULL };
        for (size_t i = 0; shell[i]; i++)
                add_unit_escaped(&words, shell[i]);
        for (size_t i = 0; argv[i]; i++)
                add_unit_escaped(&words, argv[i]);
        return shell_join((const char *const *)words);
}

static char *plain_command(const char *unit, const char *const argv[], int64_t limit_ms)
{
        _cleanup_strv_ char **words = NULL;
        const char *const shell[] = { "sh", "-c", unit_run_script, "orch", unit, NULL };
        for (size_t i = 0; shell[i]; i++)
                strv_add(&words, shell[i]);
        strv_addf(&words, "%lld.%03lld", (long long)limit_ms / 1000, (long long)limit_ms % 1000);
        strv_add(&words, unit_begin_script);
        for (size_t i = 0; argv[i]; i++)
                strv_add(&words, argv[i]);
        return shell_join((const char *const *)words);
}

char *remote_unit_command(struct remote_abilities abilities, const char *unit,
                          const char *const argv[], int64_t timeout_ms, struct error **err)
{
        if (check_unit_name(unit, err) < 0)
                return NULL;
        return (abilities.systemd ? systemd_command : plain_command)(unit, argv,
                                                                     timeout_ms + GRACE_MS);
}

int remote_unit_result(const char *unit, int status, char *errors, struct error **err)
{
        static const char line[] = BEGAN "\n";
        char *began = strstr(errors, line);
        if (began)
                memmove(began, began + strlen(line), strlen(began + strlen(line)) + 1);
        if (began || status == 0)
                return 0;
        _cleanup_free_ char *reason = str_one_line(errors, LONGEST_UNIT_REASON);
        return error_set(err, ERROR_BUSY, "unit %s was not started (status %d): %s", unit, status,
                         *reason ? reason : "no reason was given");
}

char *remote_unit_stop_command(struct remote_abilities abilities, const char *unit,
                               struct error **err)
{
        if (check_unit_name(unit, err) < 0)
                return NULL;
        _cleanup_free_ char *service = xasprintf("%s.service", unit);
        const char *const systemctl[] = { "systemctl", "stop", service, NULL };
        const char *const plain[] = { "sh", "-c", unit_stop_script, "orch", unit, NULL };
        return shell_join(abilities.systemd ? systemctl : plain);
}

int remote_unit_stop_result(const char *unit, int status, const char *errors, struct error **err)
{
        if (status == 0 || status == STATUS_NOT_LOADED)
                return 0;
        if (status == STATUS_STILL_RUNNING)
                return error_set(err, ERROR_TIMEOUT,
                                 "unit %s did not end, not even after SIGKILL (is it waiting for "
                                 "storage that is unavailable?)",
                                 unit);
        _cleanup_free_ char *reason = str_one_line(errors, LONGEST_UNIT_REASON);
        return error_set(err, ERROR_INTERNAL, "unit %s could not be stopped: %s", unit,
                         *reason ? reason : "no reason was given");
}
