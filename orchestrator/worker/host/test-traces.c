/* Implements worker/host/test-traces.h by scripts on the hypervisor; what varies reaches them as
 * positional parameters.
 *
 * Invariants of removing: nothing of a domain is removed before libvirt itself said that the domain
 * is gone, and nothing is removed from the folder while the view of the share is mounted in it. */
#include "worker/host/test-traces.h"

#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/names.h"

#define NAME_PREFIX "orch-test-"
enum {
        FIND_TIMEOUT_MS = 30 * 1000,
        REMOVE_TIMEOUT_MS = 240 * 1000,
        KEEP_TIMEOUT_MS = 30 * 1000,
        SHORT_UUID_LENGTH = 8
};

char *test_traces_name(const char *short_uuid, const char *job)
{
        return xasprintf(NAME_PREFIX "%s-%s", short_uuid, job);
}

bool test_traces_is_ours(const char *name, const char *short_uuid, char **ret_job)
{
        size_t prefix = strlen(NAME_PREFIX);
        if (!name || !str_starts_with(name, NAME_PREFIX) ||
            strncmp(name + prefix, short_uuid, SHORT_UUID_LENGTH) != 0 ||
            name[prefix + SHORT_UUID_LENGTH] != '-' ||
            !names_is_job(name + prefix + SHORT_UUID_LENGTH + 1))
                return false;
        if (ret_job)
                *ret_job = xstrdup(name + prefix + SHORT_UUID_LENGTH + 1);
        return true;
}

/* Where virtlogd may write, also under SELinux. */
char *test_traces_console(const char *name)
{
        return xasprintf("/var/log/libvirt/qemu/%s.serial.log", name);
}

/* $1 prefix of names, $2 scratch. Prints "NAME<TAB>VM<TAB>kept" a line. A folder without `test` was
 * being made when its maker died, unless it is young: then it may be being made. */
static const char find_script[] = SHELL_VIRSH
        "for d in \"$2/$1\"*; do\n"
        "  [ -d \"$d\" ] || continue\n"
        "  vm=; [ -s \"$d/test\" ] && read -r vm < \"$d/test\"\n"
        "  [ \"$vm\" ] || [ \"$(find \"$d\" -maxdepth 0 -mmin +10)\" ] || continue\n"
        "  k=; [ -e \"$d/kept\" ] && k=kept\n"
        "  printf '%s\\t%s\\t%s\\n' \"${d##*/}\" \"$vm\" \"$k\"\n"
        "done\n"
        "all=$(v list --all --name) || { echo 'libvirt does not answer' >&2; exit 1; }\n"
        "for n in $all $(v net-list --name 2>/dev/null); do\n"
        "  case $n in \"$1\"*) [ -d \"$2/$n\" ] || printf '%s\\t\\t\\n' \"$n\";; esac\n"
        "done; exit 0";

/* $1 name, $2 folder. A host that was reset keeps what libvirt had made for the domain, under the
 * beginning of its name alone. */
static const char remove_script[] = SHELL_VIRSH
        "fail() { echo \"$*\" >&2; exit 1; }\n"
        "there() { all=$(v list --all --name) || fail 'libvirt does not answer'; for d in $all; do "
        "[ \"$d\" = \"$1\" ] && return "
        "0; "
        "done; return 1; }\n"
        "u=; [ -s \"$2/test\" ] && { read -r u; read -r u; read -r u; } < \"$2/test\"\n"
        "n=0; while there \"$1\"; do\n"
        "  v destroy \"$1\" >/dev/null 2>&1; n=$((n+1)); [ $n -gt 60 ] && fail \"the domain $1 "
        "does not end\"; sleep 0.2\n"
        "done\n"
        "if [ -s \"$2/hold.pid\" ] && read -r p s < \"$2/hold.pid\" && [ \"$(cut -d' ' -f22 "
        "\"/proc/$p/stat\" 2>/dev/null)\" = "
        "\"$s\" ]; "
        "then kill \"$p\" 2>/dev/null; fi\n"
        "if v net-info \"$1\" >/dev/null 2>&1; then v net-destroy \"$1\" >/dev/null 2>&1 || fail "
        "\"the network $1 cannot be "
        "removed\"; fi\n"
        "n=0; while [ -d \"$2/point\" ]; do\n"
        "  umount \"$2/point\" 2>/dev/null; rmdir \"$2/point\" 2>/dev/null && break\n"
        "  n=$((n+1)); [ $n -gt 50 ] && fail \"$2/point is still in use\"; sleep 0.2\n"
        "done\n"
        "case $u in */*) ;; *-*-*-*-*) rm -rf -- \"/var/lib/libvirt/swtpm/$u\";; esac\n"
        "rm -f -- \"/var/log/libvirt/qemu/$1.log\"* \"/var/log/libvirt/qemu/$1.serial.log\"* "
        "\"/var/log/swtpm/libvirt/qemu/$1-swtpm.log\" \"/var/lib/libvirt/qemu/nvram/$1_VARS.fd\"\n"
        "cut=$(printf %.20s \"$1\"); other=; for d in $all; do case $d in \"$cut\"*) other=1;; "
        "esac; done\n"
        "[ \"$other\" ] || rm -rf -- /var/lib/libvirt/qemu/domain-*-\"$cut\" "
        "/var/lib/libvirt/qemu/channel/target/domain-*-\"$cut\"\n"
        "if [ -d \"$2\" ]; then find \"$2\" -xdev -depth -delete || exit 1; fi\n";

/* $1 folder. */
static const char keep_script[] = "umask 077; : > \"$1/kept\" && sync \"$1/kept\" \"$1\"";

void test_traces_done(struct test_trace_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                free(list->items[i].name);
                free(list->items[i].job);
                free(list->items[i].vm);
        }
        free(list->items);
        *list = (struct test_trace_list){ 0 };
}

static void take_line(struct test_trace_list *list, const char *short_uuid, char *line)
{
        char *rest = line;
        const char *name = strsep(&rest, "\t");
        const char *vm = strsep(&rest, "\t");
        const char *kept = strsep(&rest, "\t");
        char *job = NULL;
        if (!kept || !test_traces_is_ours(name, short_uuid, &job))
                return;
        for (size_t i = 0; i < list->count; i++) {
                if (streq(list->items[i].name, name)) {
                        free(job);
                        return;
                }
        }
        list->items = xrealloc_array(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count++] = (struct test_trace){ .name = xstrdup(name),
                                                          .job = job,
                                                          .vm = *vm ? xstrdup(vm) : NULL,
                                                          .kept = streq(kept, "kept") };
}

int test_traces_find(struct hypervisor *host, const char *short_uuid, const char *scratch,
                     struct test_trace_list *ret, struct error **err)
{
        _cleanup_free_ char *prefix = xasprintf(NAME_PREFIX "%s-", short_uuid);
        const char *const argv[] = { "sh", "-c", find_script, "orch-find", prefix, scratch, NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, FIND_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "what test-restores left on %s cannot be looked at",
                                    host->name);
        struct test_trace_list list = { 0 };
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                take_line(&list, short_uuid, line);
        *ret = list;
        return 0;
}

int test_traces_remove(struct hypervisor *host, const char *name, const char *scratch,
                       struct error **err)
{
        _cleanup_free_ char *folder = path_join(scratch, name);
        const char *const argv[] = { "sh", "-c", remove_script, "orch-remove", name, folder, NULL };
        if (hypervisor_run(host, argv, REMOVE_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(err, "the test domain %s cannot be removed from %s", name,
                                    host->name);
        return 0;
}

int test_traces_keep(struct hypervisor *host, const char *name, const char *scratch,
                     struct error **err)
{
        _cleanup_free_ char *folder = path_join(scratch, name);
        const char *const argv[] = { "sh", "-c", keep_script, "orch-keep", folder, NULL };
        return hypervisor_run(host, argv, KEEP_TIMEOUT_MS, NULL, err);
}
