/* Implements worker/host/test-traces.h by scripts on the hypervisor; variable values reach them as
 * positional parameters.
 *
 * Invariants of removing: nothing of a domain is removed before libvirt itself has reported that
 * the domain is gone, and nothing is removed from the folder while the view of the share is mounted
 * in it. */
#include "worker/host/test-traces.h"

#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/scripts.h"
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

/* virtlogd may write to this path, even with SELinux. */
char *test_traces_console(const char *name)
{
        return xasprintf("/var/log/libvirt/qemu/%s.serial.log", name);
}

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

static void test_trace_take_line(struct test_trace_list *list, const char *short_uuid, char *line)
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
        const char *const argv[] = { "sh",    "-c", test_traces_find_script, "orch-find", prefix,
                                     scratch, NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, FIND_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "what test-restores left on %s cannot be looked at",
                                    host->name);
        struct test_trace_list list = { 0 };
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                test_trace_take_line(&list, short_uuid, line);
        *ret = list;
        return 0;
}

int test_traces_remove(struct hypervisor *host, const char *name, const char *scratch,
                       struct error **err)
{
        _cleanup_free_ char *folder = path_join(scratch, name);
        const char *const argv[] = { "sh",   "-c", test_traces_remove_script, "orch-remove", name,
                                     folder, NULL };
        if (hypervisor_run(host, argv, REMOVE_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(err, "the test domain %s cannot be removed from %s", name,
                                    host->name);
        return 0;
}

int test_traces_keep(struct hypervisor *host, const char *name, const char *scratch,
                     struct error **err)
{
        _cleanup_free_ char *folder = path_join(scratch, name);
        const char *const argv[] = {
                "sh", "-c", test_traces_keep_script, "orch-keep", folder, NULL
        };
        return hypervisor_run(host, argv, KEEP_TIMEOUT_MS, NULL, err);
}
