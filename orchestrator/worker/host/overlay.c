/* Implements worker/host/overlay.h. */
#include "worker/host/overlay.h"

#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"
#include "worker/host/scripts.h"

enum { FILES_TIMEOUT_MS = 30 * 1000 };

static bool has_word(const char *text, const char *word)
{
        size_t length = strlen(word);
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (strcspn(line, "\n") == length && strncmp(line, word, length) == 0)
                        return true;
        return false;
}

int overlay_look(struct hypervisor *host, const char *uuid, const char *overlay,
                 struct overlay_facts *ret, struct error **err)
{
        const char *const argv[] = { "sh", "-c", overlay_look_script, "orch-look", overlay,
                                     uuid, NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(host, argv, FILES_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "the overlay %s on %s cannot be looked at", overlay,
                                    host->name);
        *ret = (struct overlay_facts){
                .exists = has_word(output, "exists"),
                .committed = has_word(output, "committed"),
                .pivoting = has_word(output, "pivoting"),
                .same_qemu = has_word(output, "same"),
        };
        return 0;
}

int overlay_mark_pivoting(struct hypervisor *host, const char *uuid, const char *overlay,
                          struct error **err)
{
        const char *const argv[] = { "sh",          "-c",    overlay_mark_pivoting_script,
                                     "orch-commit", overlay, uuid,
                                     NULL };
        if (hypervisor_run(host, argv, FILES_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(err, "the marker %s.pivoting cannot be written on %s", overlay,
                                    host->name);
        return 0;
}

int overlay_remove(struct hypervisor *host, const char *overlay, struct error **err)
{
        const char *const argv[] = {
                "sh", "-c", overlay_remove_script, "orch-commit", overlay, NULL
        };
        if (hypervisor_run(host, argv, FILES_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(err, "the committed overlay %s cannot be removed on %s",
                                    overlay, host->name);
        return 0;
}

int overlay_ask_base(struct hypervisor *host, const char *overlay, char **ret_base,
                     char **ret_format, struct error **err)
{
        const char *const argv[] = { "qemu-img", "info", "-U", "--output=json", overlay, NULL };
        _cleanup_free_ char *text = NULL;
        if (hypervisor_run(host, argv, FILES_TIMEOUT_MS, &text, err) < 0)
                return error_prefix(err, "the overlay %s cannot be read", overlay);
        json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        const char *base = json_string_value(json_object_get(root, "full-backing-filename"));
        const char *format = json_string_value(json_object_get(root, "backing-filename-format"));
        int r = 0;
        if (base && base[0] == '/') {
                *ret_base = xstrdup(base);
                *ret_format = xstrdup(format ? format : "raw");
        } else {
                r = error_set(err, ERROR_CORRUPT, "the overlay %s does not say what it lies on",
                              overlay);
        }
        json_decref(root);
        return r;
}

/* An extent that no layer has is reported as not "present"; a QEMU that is too old to report this
 * omits the key. */
static bool is_unwritten(const char *map)
{
        _cleanup_json_ json_t *extents = json_loads(map, JSON_REJECT_DUPLICATES, NULL);
        size_t i = 0;
        json_t *extent = NULL;
        json_array_foreach(extents, i, extent)
        {
                json_t *present = json_object_get(extent, "present");
                if (!present || !json_is_false(present))
                        return false;
        }
        return json_array_size(extents) > 0;
}

int overlay_is_unwritten(struct hypervisor *host, const char *overlay, bool *ret,
                         struct error **err)
{
        _cleanup_json_ json_t *image =
                json_pack("{s:s, s:n, s:{s:s, s:s}}", "driver", "qcow2", "backing", "file",
                          "driver", "file", "filename", overlay);
        _cleanup_free_ char *options = json_dumps(image, JSON_COMPACT);
        if (!options)
                return error_set(err, ERROR_CORRUPT, "the overlay %s has a name that is not UTF-8",
                                 overlay);
        _cleanup_free_ char *name = xasprintf("json:%s", options);
        const char *const argv[] = { "sh", "-c", overlay_map_script, "orch-map", name, NULL };
        _cleanup_free_ char *map = NULL;
        if (hypervisor_run(host, argv, FILES_TIMEOUT_MS, &map, err) < 0)
                return error_prefix(err, "the overlay %s on %s cannot be looked at", overlay,
                                    host->name);
        *ret = is_unwritten(map);
        return 0;
}
