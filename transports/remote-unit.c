/* Implements transports/remote-unit.h.
 *
 * Without systemd a unit is a process group whose leader is timeout(1). The pidfile holds the
 * leader's pid and start time (the two together identify a process uniquely). The leader writes it
 * before it becomes timeout(1). A file whose process is gone may be removed by anyone. */
#include "transports/remote-unit.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum {
        GRACE_MS = 2000,
        STATUS_NOT_LOADED = 5,
        STATUS_STILL_RUNNING = 75,
        LONGEST_UNIT_REASON = 300
};

#define RUN_DIR "/run/orch"

/* A unit's command prints this on stderr before anything else. If it is missing, the exit status is
 * that of the starter (the name is in use, systemd is too busy), which is 1 and could otherwise be
 * taken for the command's. */
#define BEGAN "orch: the unit began"

/* Prints the start time of process $1: field 22 of its stat, counted from the end of the name,
 * which may contain anything. */
#define SHELL_START_TIME                                                                         \
        "started() { [ -r /proc/$1/stat ] && read -r l </proc/$1/stat || return 1; l=${l##*)}; " \
        "set -- $l; echo ${20}; }\n"

/* $1 name, $2 seconds, then the command. Descriptor 3 keeps stdin, because a shell gives /dev/null
 * to a background process. */
static const char run_script[] =
        SHELL_START_TIME "f=" RUN_DIR "/$1.pid; n=$1; s=$2; shift 2\n"
                         "mkdir -p -m 700 " RUN_DIR " || exit 125\n"
                         "if [ -e $f ] && read -r p t <$f && [ \"$(started $p)\" = \"$t\" ]; then "
                         "echo \"unit $n runs already\" >&2; exit 125; fi\n"
                         "exec 3<&0\n"
                         "setsid sh -c '" SHELL_START_TIME "f=$1; s=$2; shift 2; exec 3<&-\n"
                         "echo $$ $(started $$) >$f.new && mv $f.new $f && echo " BEGAN
                         " >&2 && exec timeout -k 5 $s \"$@\"' orch $f $s \"$@\" <&3 &\n"
                         "exec 3<&-\n"
                         "wait $!; r=$?\n"
                         "rm -f $f; rmdir " RUN_DIR " 2>/dev/null\n"
                         "exit $r";

/* $1 name. */
static const char stop_script[] = SHELL_START_TIME
        "f=" RUN_DIR "/$1.pid\n"
        "[ -e $f ] && read -r p t <$f || exit 0\n"
        "if [ \"$(started $p)\" = \"$t\" ]; then\n"
        "  for how in TERM KILL; do\n"
        "    kill -$how -$p 2>/dev/null\n"
        "    i=0; while [ $i -lt 50 ] && kill -0 -$p 2>/dev/null; do sleep 0.1; i=$((i+1)); done\n"
        "  done\n"
        "  kill -0 -$p 2>/dev/null && exit 75\n"
        "fi\n"
        "rm -f $f; rmdir " RUN_DIR " 2>/dev/null; exit 0";

char *remote_abilities_command(void)
{
        const char *const argv[] = {
                "sh", "-c",
                "[ -d /run/systemd/system ] && command -v systemd-run >/dev/null && echo systemd; "
                "command -v virt-ssh-helper >/dev/null && echo virt-ssh-helper; exit 0",
                NULL
        };
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

static int check_name(const char *unit, struct error **err)
{
        if (name_is_safe(unit))
                return 0;
        _cleanup_free_ char *shown = str_one_line(unit, 120);
        return error_set(err, ERROR_INTERNAL, "'%s' cannot be the name of a unit", shown);
}

/* systemd expands "$X" and "${X}" in a unit's command line; "$$" stands for one "$". */
static void add_escaped(char ***words, const char *word)
{
        _cleanup_strbuf_ struct strbuf escaped = { 0 };
        for (const char *c = word; *c; c++)
                strbuf_add(&escaped, *c == '$' ? "$$" : (const char[]){ *c, '\0' });
        strv_add(words, escaped.data ? escaped.data : "");
}

/* systemd counts a service that was ended by SIGTERM, SIGHUP, SIGINT or SIGPIPE as a success, and
 * systemd-run then exits with 0: a copy that was stopped half-way would look complete. This shell
 * outlives its command and turns the signal into a status of 128 or more. */
static const char status_script[] = "trap : TERM HUP INT PIPE; echo " BEGAN " >&2; \"$@\"; exit $?";

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
        const char *const shell[] = { "--", "/bin/sh", "-c", status_script, "orch", NULL };
        for (size_t i = 0; shell[i]; i++)
                add_escaped(&words, shell[i]);
        for (size_t i = 0; argv[i]; i++)
                add_escaped(&words, argv[i]);
        return shell_join((const char *const *)words);
}

static char *plain_command(const char *unit, const char *const argv[], int64_t limit_ms)
{
        _cleanup_strv_ char **words = NULL;
        const char *const shell[] = { "sh", "-c", run_script, "orch", unit, NULL };
        for (size_t i = 0; shell[i]; i++)
                strv_add(&words, shell[i]);
        strv_addf(&words, "%lld.%03lld", (long long)limit_ms / 1000, (long long)limit_ms % 1000);
        for (size_t i = 0; argv[i]; i++)
                strv_add(&words, argv[i]);
        return shell_join((const char *const *)words);
}

char *remote_unit_command(struct remote_abilities abilities, const char *unit,
                          const char *const argv[], int64_t timeout_ms, struct error **err)
{
        if (check_name(unit, err) < 0)
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
        if (check_name(unit, err) < 0)
                return NULL;
        _cleanup_free_ char *service = xasprintf("%s.service", unit);
        const char *const systemctl[] = { "systemctl", "stop", service, NULL };
        const char *const plain[] = { "sh", "-c", stop_script, "orch", unit, NULL };
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
