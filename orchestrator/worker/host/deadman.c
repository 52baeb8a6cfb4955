/* Implements worker/host/deadman.h. The scripts run on the hypervisor; what varies reaches them as
 * positional parameters, never by being pasted into their text. */
#include "worker/host/deadman.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/overlay.h"

enum { ARM_TIMEOUT_MS = 15000 };

static const char *const action_words[] = { [DEADMAN_THAW] = "thaw", [DEADMAN_RESUME] = "resume" };

/* Shell words for the two places: what a reboot may take, and what it may not. */
#define RUN_DIR "/run/orch"
#define KEPT_DIR "/var/lib/orch"

/* `same_guest UUID ID`: whether the guest that QEMU ID ran is the one that runs now: in that QEMU,
 * or in one that took its memory over from a saved image. `is_saved UUID`: whether it waits in such
 * an image. */
#define SHELL_SAME_GUEST                                                                          \
        SHELL_QEMU_ID                                                                             \
        "same_guest() { now=$(qemu_id \"$1\"); [ -n \"$now\" ] || return 1; [ \"$now\" = \"$2\" " \
        "] || "                                                                                   \
        "grep -qzxF -e -incoming \"/proc/${now%%:*}/cmdline\" 2>/dev/null; }\n"                   \
        "is_saved() { case $(timeout 15 virsh -c qemu:///system dominfo \"$1\" 2>/dev/null | tr " \
        "-s ' ') in *\"Managed "                                                                  \
        "save: yes\"*) return 0;; esac; return 1; }\n"

/* $1 files' prefix, $2 domain UUID, $3 identity of its QEMU, $4 the file that tells of the freeze.
 * Thaws until the guest says so or is gone; one that is saved meanwhile is waited for. What fired
 * is known from its file, also after the rest is gone. */
static const char thaw_script[] = SHELL_SAME_GUEST
        "export LC_ALL=C; umask 077; echo \"$3 $2\" > \"$1.fired\"\n"
        "while same_guest \"$2\" \"$3\" || is_saved \"$2\" || same_guest \"$2\" \"$3\"; do\n"
        "  timeout 15 virsh -c qemu:///system qemu-agent-command --timeout 5 \"$2\" "
        "'{\"execute\":\"guest-fsfreeze-thaw\"}' >/dev/null 2>&1\n"
        "  case $(timeout 15 virsh -c qemu:///system qemu-agent-command --timeout 3 \"$2\" "
        "'{\"execute\":\"guest-fsfreeze-status\"}' 2>/dev/null) in\n"
        "    *thawed*) rm -f \"$4\"; break;;\n"
        "  esac\n"
        "  sleep 1\n"
        "done\n"
        "rm -f \"$1.pid\"\n";

/* The same for a pause. */
static const char resume_script[] = SHELL_QEMU_ID
        "export LC_ALL=C; umask 077; echo \"$3 $2\" > \"$1.fired\"\n"
        "while [ \"$(qemu_id \"$2\")\" = \"$3\" ]; do\n"
        "  timeout 15 virsh -c qemu:///system resume \"$2\" >/dev/null 2>&1\n"
        "  case $(timeout 15 virsh -c qemu:///system domstate \"$2\" 2>/dev/null) in\n"
        "    running*) break;;\n"
        "  esac\n"
        "  sleep 1\n"
        "done\n"
        "rm -f \"$4\" \"$1.pid\"\n";

/* $1 tag, $2 UUID, $3 seconds, $4 the script that is due then, $5 what it does, in a word. Prints
 * nothing; status 3: no way to arm. The file that tells of a freeze is durable before anything is
 * frozen. systemd expands "$" in a unit's command line: "$$" stands for one. */
static const char arm_script[] = SHELL_QEMU_ID
        "set -e; d=" RUN_DIR "; k=" KEPT_DIR "; umask 077; mkdir -p $d; f=$d/$1.$5; i=$f.id\n"
        "[ \"$5\" != thaw ] || { mkdir -p $k; i=$k/$1.thaw.id; }\n"
        "command -v virsh >/dev/null || { echo 'virsh is not installed there' >&2; exit 3; }\n"
        "id=$(qemu_id \"$2\"); [ -n \"$id\" ] || { echo 'the QEMU of that domain is not found "
        "among the processes' >&2; exit 3; }\n"
        "rm -f \"$f.fired\"; echo \"$id $2\" > \"$i\"; sync \"$i\" \"${i%/*}\"\n"
        "if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then\n"
        "  s=$(printf '%s' \"$4\" | sed 's/\\$/$$/g')\n"
        "  systemd-run --quiet --collect --unit=\"$1-$5\" --on-active=\"$3s\" "
        "--timer-property=AccuracySec=100ms -- sh -c \"$s\" "
        "orch-thaw \"$f\" \"$2\" \"$id\" \"$i\"\n"
        "else\n"
        "  command -v setsid >/dev/null || { echo 'neither systemd-run nor setsid is there' >&2; "
        "exit 3; }\n"
        "  setsid sh -c 'echo \"$$ $(cut -d\" \" -f22 /proc/$$/stat)\" > \"$2.pid.tmp\"; mv "
        "\"$2.pid.tmp\" \"$2.pid\"; trap \"kill "
        "\\$s 2>/dev/null\" EXIT; trap \"exit 0\" TERM; sleep \"$1\" & s=$!; wait $s; trap - EXIT "
        "TERM; exec sh -c \"$6\" "
        "orch-thaw \"$2\" \"$3\" \"$4\" \"$5\"' orch-wait \"$3\" \"$f\" \"$2\" \"$id\" \"$i\" "
        "\"$4\" </dev/null >/dev/null 2>&1 &\n"
        "  n=0; while [ ! -s \"$f.pid\" ]; do n=$((n+1)); [ $n -gt 500 ] && { echo 'its process "
        "did not start' >&2; exit 3; }; "
        "sleep 0.01; done\n"
        "fi\n";

/* $1 short UUID of the repository, $2 domain UUID. Prints "armed TAG", "stale TAG", "fired TAG" or
 * "foreign TAG" a line. Where no QEMU runs the domain, nobody can tell yet: armed. */
static const char find_script[] = SHELL_SAME_GUEST
        "for f in " KEPT_DIR "/orch-*.thaw.id " RUN_DIR "/orch-*.thaw.fired; do\n"
        "  [ -e \"$f\" ] && read -r q u < \"$f\" && [ \"$u\" = \"$2\" ] || continue\n"
        "  t=${f##*/}; t=${t%.thaw.*}\n"
        "  case $f in\n"
        "    */orch-\"$1\"-*.id) if same_guest \"$2\" \"$q\" || [ -z \"$(qemu_id \"$2\")\" ]; then "
        "echo \"armed "
        "$t\"; else echo \"stale "
        "$t\"; fi;;\n"
        "    */orch-\"$1\"-*) [ -e \"" KEPT_DIR "/$t.thaw.id\" ] || echo \"fired $t\";;\n"
        "    *.id) echo \"foreign $t\";;\n"
        "  esac\n"
        "done; exit 0";

/* $1 tag, $2 what it does. Prints "fired" when it had begun to. */
static const char disarm_script[] =
        "f=" RUN_DIR "/$1.$2\n"
        "if [ -d /run/systemd/system ]; then systemctl stop \"$1-$2.timer\" \"$1-$2.service\" "
        ">/dev/null 2>&1; fi\n"
        "if [ -s \"$f.pid\" ]; then read -r pid start < \"$f.pid\"\n"
        "  [ \"$(cut -d' ' -f22 /proc/$pid/stat 2>/dev/null)\" = \"$start\" ] && kill \"$pid\" "
        "2>/dev/null\n"
        "fi\n"
        "[ -e \"$f.fired\" ] && echo fired\n"
        "rm -f \"" KEPT_DIR "/$1.$2.id\" \"$f.id\" \"$f.pid\" \"$f.fired\"; rmdir " RUN_DIR
        " " KEPT_DIR " 2>/dev/null; exit 0\n";

int deadman_arm(struct deadman *deadman, struct hypervisor *host, const char *tag, const char *uuid,
                unsigned seconds, struct error **err)
{
        _cleanup_free_ char *delay = xasprintf("%u", seconds);
        const char *script = deadman->action == DEADMAN_RESUME ? resume_script : thaw_script;
        const char *const argv[] = { "sh",       "-c",   arm_script,
                                     "orch-arm", tag,    uuid,
                                     delay,      script, action_words[deadman->action],
                                     NULL };
        xstrdup_replace(&deadman->tag, tag);
        xstrdup_replace(&deadman->uuid, uuid);
        _cleanup_error_ struct error *error = NULL;
        if (hypervisor_run(host, argv, ARM_TIMEOUT_MS, NULL, &error) < 0) {
                bool lost = error->kind == ERROR_UNREACHABLE || error->kind == ERROR_TIMEOUT;
                return error_set(
                        err, lost ? error->kind : ERROR_REFUSED,
                        "the dead-man timer cannot be armed on %s, so the guest is not %s: %s",
                        host->name, deadman->action == DEADMAN_RESUME ? "paused" : "frozen",
                        error->message);
        }
        deadman->armed = true;
        return 0;
}

int deadman_disarm(struct deadman *deadman, struct hypervisor *host, bool *ret_fired,
                   struct error **err)
{
        if (!deadman->tag) {
                *ret_fired = false;
                return 0;
        }
        const char *const argv[] = { "sh",          "-c",         disarm_script,
                                     "orch-disarm", deadman->tag, action_words[deadman->action],
                                     NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, ARM_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err,
                                    "the dead-man timer of %s could not be disarmed (it ends by "
                                    "itself once the guest %s)",
                                    host->name,
                                    deadman->action == DEADMAN_RESUME ? "runs" : "says thawed");
        deadman->armed = false;
        *ret_fired = strstr(output, "fired") != NULL;
        return 0;
}

int deadman_find(struct hypervisor *host, const char *short_uuid, const char *uuid,
                 struct deadman_traces *ret, struct error **err)
{
        const char *const argv[] = { "sh", "-c", find_script, "orch-find", short_uuid, uuid, NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, ARM_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "the dead-man timers on %s cannot be looked at",
                                    host->name);
        struct deadman_traces traces = { 0 };
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                if (str_starts_with(line, "armed "))
                        strv_add(&traces.armed, line + strlen("armed "));
                else if (str_starts_with(line, "stale "))
                        strv_add(&traces.stale, line + strlen("stale "));
                else if (str_starts_with(line, "fired "))
                        strv_add(&traces.fired, line + strlen("fired "));
                else if (str_starts_with(line, "foreign "))
                        strv_add(&traces.foreign, line + strlen("foreign "));
        }
        *ret = traces;
        return 0;
}

void deadman_traces_done(struct deadman_traces *traces)
{
        strv_free(traces->armed);
        strv_free(traces->stale);
        strv_free(traces->fired);
        strv_free(traces->foreign);
        *traces = (struct deadman_traces){ 0 };
}

void deadman_done(struct deadman *deadman)
{
        free(deadman->tag);
        free(deadman->uuid);
        *deadman = (struct deadman){ 0 };
}
