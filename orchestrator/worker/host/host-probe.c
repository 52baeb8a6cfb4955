/* Implements worker/host/host-probe.h: one shell script, whose lines "key<TAB>value" are parsed.
 * mountinfo is read before the share is accessed, so a share that is not mounted never hangs. */
#include "worker/host/host-probe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/scripts.h"

enum { PROBE_TIMEOUT_MS = 20000 };

/* mountinfo writes space, tab, newline and backslash as octal escapes (proc(5)). */
static char *mountinfo_escape(const char *path)
{
        struct strbuf buf = { 0 };
        for (const char *c = path; *c; c++) {
                if (*c == ' ' || *c == '\t' || *c == '\n' || *c == '\\')
                        strbuf_addf(&buf, "\\%03o", (unsigned)*c);
                else
                        strbuf_add_char(&buf, *c);
        }
        return strbuf_take(&buf);
}

static uint64_t number_or(const char *text, uint64_t fallback)
{
        char *end = NULL;
        uint64_t value = *text ? strtoull(text, &end, 10) : 0;
        return end && !*end ? value : fallback;
}

static void host_probe_take_line(struct host_probe *probe, const char *key, const char *value)
{
        if (streq(key, "kernel"))
                xstrdup_replace(&probe->kernel, value);
        else if (streq(key, "missing"))
                strv_add(&probe->missing_tools, value);
        else if (streq(key, "mount") && *value)
                xstrdup_replace(&probe->mount_type, value);
        else if (streq(key, "uuid"))
                xstrdup_replace(&probe->repository_uuid, value);
        else if (streq(key, "write"))
                probe->write_problem = str_one_line(value, 300);
        else if (streq(key, "share"))
                probe->share_free_bytes = number_or(value, 0);
        else if (streq(key, "folder")) {
                probe->folder_free_bytes = xrealloc_array(probe->folder_free_bytes,
                                                          probe->n_folders + 1, sizeof(uint64_t));
                probe->folder_free_bytes[probe->n_folders++] = number_or(value, UINT64_MAX);
        } else if (streq(key, "file")) {
                probe->file_bytes =
                        xrealloc_array(probe->file_bytes, probe->n_files + 1, sizeof(uint64_t));
                probe->file_bytes[probe->n_files++] = number_or(value, 0);
        }
}

static void host_probe_parse(struct host_probe *probe, char *output)
{
        for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
                char *tab = strchr(line, '\t');
                if (!tab)
                        continue;
                *tab = '\0';
                host_probe_take_line(probe, line, tab + 1);
        }
}

int host_probe_run(struct hypervisor *host, const struct host_probe_request *request,
                   struct host_probe *ret, struct error **err)
{
        const char *repository = request->repository;
        char *const *folders = request->folders;
        char *const *files = request->files;
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *escaped = mountinfo_escape(repository);
        const char *const head[] = {
                "sh",       "-c",    host_probe_script, "orch-probe",
                repository, escaped, request->tag,      request->write_test ? "write" : ""
        };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; folders && folders[i]; i++)
                strv_addf(&argv, "d:%s", folders[i]);
        for (size_t i = 0; files && files[i]; i++)
                strv_addf(&argv, "f:%s", files[i]);
        _cleanup_free_ char *output = NULL;
        _cleanup_error_ struct error *error = NULL;
        if (hypervisor_run(host, (const char *const *)argv, PROBE_TIMEOUT_MS, &output, &error) <
            0) {
                if (error->kind == ERROR_TIMEOUT)
                        return error_set(err, ERROR_TIMEOUT,
                                         "%s did not tell the state of the share %s within %d s: "
                                         "its NFS mount probably hangs "
                                         "(try: ssh %s stat -f %s)",
                                         host->name, repository, PROBE_TIMEOUT_MS / 1000,
                                         host->address, repository);
                return error_propagate(err, TAKE_PTR(error));
        }
        struct host_probe probe = { 0 };
        host_probe_parse(&probe, output);
        if (probe.n_folders != strv_length(folders) || probe.n_files != strv_length(files)) {
                host_probe_done(&probe);
                return error_set(err, ERROR_INTERNAL,
                                 "%s gave an answer to the probe of its state that cannot be read",
                                 host->name);
        }
        *ret = probe;
        return 0;
}

void host_probe_done(struct host_probe *probe)
{
        free(probe->mount_type);
        free(probe->repository_uuid);
        free(probe->write_problem);
        free(probe->kernel);
        strv_free(probe->missing_tools);
        free(probe->folder_free_bytes);
        free(probe->file_bytes);
        *probe = (struct host_probe){ 0 };
}

int host_free_bytes(struct hypervisor *host, char *const *folders, int64_t timeout_ms,
                    uint64_t *ret, struct error **err)
{
        static const char *const head[] = { "stat", "-f", "-c", "%a %S", "--" };
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *output = NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; folders && folders[i]; i++)
                strv_add(&argv, folders[i]);
        if (hypervisor_run(host, (const char *const *)argv, timeout_ms, &output, err) < 0)
                return -1;
        *ret = UINT64_MAX;
        for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
                char *end = NULL;
                uint64_t blocks = strtoull(line, &end, 10);
                uint64_t bytes = blocks * strtoull(end, NULL, 10);
                if (bytes < *ret)
                        *ret = bytes;
        }
        if (*ret == UINT64_MAX)
                return error_set(err, ERROR_CORRUPT,
                                 "stat -f said nothing about the free room of %s",
                                 folders && folders[0] ? folders[0] : "no folder");
        return 0;
}
