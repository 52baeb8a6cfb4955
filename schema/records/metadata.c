/* backup-metadata.json, by one table for each of its objects.
 *
 * The table asks for what every job knows, also one that failed before it found its VM. What only a
 * point has (its name, the VM's UUID, each disk's checksum, …) is asked for when the status is
 * "ok": a second pass over what was read. Names that become paths below the point, or in a command,
 * are checked here, so that a reader may join them without another look. */
#include "schema/records/metadata.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/records/metadata-internal.h"

#define METADATA_FORMAT 1
#define DOCUMENT_NAME "backup-metadata.json"

static const char *const phase_words[] = {
        [CHECK_BEFORE] = "before", [CHECK_AFTER] = "after", NULL
};
static const char *const verdict_words[] = {
        [CHECK_PASS] = "pass",
        [CHECK_WARN] = "warn",
        [CHECK_FAIL] = "fail",
        [CHECK_SKIP] = "skip",
        NULL,
};
static const char *const status_words[] = { "ok", "failed", "cancelled", NULL };

static const char *const change_words[] = {
        [CONFIG_FIRST] = "first",
        [CONFIG_UNCHANGED] = "unchanged",
        [CONFIG_CHANGED] = "changed",
        NULL,
};

static bool is_parent_path(const char *text);
static bool is_config_path(const char *text);

#define SAFE_NAME .valid = name_is_safe, .expected = "a name of letters, digits, '.', '_' and '-'"
#define FILE_NAME \
        .valid = json_text_is_file_name, .expected = "the name of a file in the point's folder"

#define DISK(member) .name = #member, .offset = offsetof(struct metadata_disk, member)
static const struct json_field disk_fields[] = {
        { DISK(target), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { DISK(file), .type = JSON_FIELD_TEXT, FILE_NAME },
        { DISK(source_path), .type = JSON_FIELD_TEXT },
        { DISK(source_format), .type = JSON_FIELD_TEXT },
        { DISK(source_type), .type = JSON_FIELD_TEXT },
        { DISK(bus), .type = JSON_FIELD_TEXT },
        { DISK(backing_file), .type = JSON_FIELD_TEXT, .valid = is_parent_path,
          .expected = "a path like \"../POINT/FILE\"" },
        { DISK(sha256), .type = JSON_FIELD_TEXT, .valid = json_text_is_sha256,
          .expected = "64 lower-case hexadecimal digits" },
        { DISK(virtual_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { DISK(stored_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { DISK(allocated_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { 0 },
};

#define EXCLUDED(member) .name = #member, .offset = offsetof(struct metadata_excluded_disk, member)
static const struct json_field excluded_fields[] = {
        { EXCLUDED(target), .type = JSON_FIELD_TEXT, .required = true },
        { EXCLUDED(reason), .type = JSON_FIELD_TEXT, .required = true },
        { 0 },
};

#define CONFIG(member) .name = #member, .offset = offsetof(struct metadata_config, member)
#define CONFIG_FILE .valid = is_config_path, .expected = "a path like \"configs/FILE\""
static const struct json_field config_fields[] = {
        { CONFIG(file), .type = JSON_FIELD_TEXT, .required = true, CONFIG_FILE },
        { CONFIG(stored_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { CONFIG(change), .type = JSON_FIELD_WORD, .required = true, .words = change_words },
        { CONFIG(lines_added), .type = JSON_FIELD_SIZE, .required = true },
        { CONFIG(lines_removed), .type = JSON_FIELD_SIZE, .required = true },
        { 0 },
};

#define CHECK(member) .name = #member, .offset = offsetof(struct metadata_check, member)
const struct json_field metadata_check_fields[] = {
        { CHECK(phase), .type = JSON_FIELD_WORD, .required = true, .words = phase_words },
        { CHECK(name), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { CHECK(verdict), .type = JSON_FIELD_WORD, .required = true, .words = verdict_words },
        { CHECK(measured), .type = JSON_FIELD_TEXT, .required = true },
        { 0 },
};

#define FIELD(member) .name = #member, .offset = offsetof(struct metadata, member)
#define LIST(member, item)                                                  \
        .type = JSON_FIELD_LIST, .required = true, .fields = item##_fields, \
        .item_size = sizeof *((struct metadata *)0)->member,                \
        .count_offset = offsetof(struct metadata, n_##member)
static const struct json_field metadata_fields[] = {
        { FIELD(orch_version), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(repository_uuid), .type = JSON_FIELD_TEXT, .required = true,
          .valid = json_text_is_uuid, .expected = "a UUID" },
        { FIELD(vm), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(domain), .type = JSON_FIELD_TEXT },
        { FIELD(uuid), .type = JSON_FIELD_TEXT, .valid = json_text_is_uuid, .expected = "a UUID" },
        { FIELD(hypervisor), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(ran_on), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(point), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(job), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(status), .type = JSON_FIELD_TEXT, .required = true, .words = status_words },
        { FIELD(error), .type = JSON_FIELD_TEXT },
        { FIELD(error_kind), .type = JSON_FIELD_TEXT },
        { FIELD(trigger), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(method), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(method_used), .type = JSON_FIELD_TEXT },
        { FIELD(level), .type = JSON_FIELD_TEXT },
        { FIELD(parent), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(consistency), .type = JSON_FIELD_TEXT },
        { FIELD(started), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(finished), .type = JSON_FIELD_TIME },
        { FIELD(snapshot_at), .type = JSON_FIELD_TIME },
        { FIELD(freeze_milliseconds), .type = JSON_FIELD_NUMBER, .required = true },
        { FIELD(compression), .type = JSON_FIELD_TEXT },
        { FIELD(machine), .type = JSON_FIELD_TEXT },
        { FIELD(arch), .type = JSON_FIELD_TEXT },
        { FIELD(libvirt_version), .type = JSON_FIELD_TEXT },
        { FIELD(qemu_version), .type = JSON_FIELD_TEXT },
        { FIELD(host_kernel), .type = JSON_FIELD_TEXT },
        { FIELD(networks), .type = JSON_FIELD_TEXTS, .required = true },
        { FIELD(boot_order), .type = JSON_FIELD_TEXTS },
        { FIELD(nvram_file), .type = JSON_FIELD_TEXT, FILE_NAME },
        { FIELD(nvram_path), .type = JSON_FIELD_TEXT },
        { FIELD(tpm_folder), .type = JSON_FIELD_TEXT, FILE_NAME },
        { FIELD(autostart), .type = JSON_FIELD_FLAG },
        { FIELD(disks), LIST(disks, disk) },
        { FIELD(excluded), LIST(excluded, excluded) },
        { FIELD(configs), .type = JSON_FIELD_LIST, .fields = config_fields,
          .item_size = sizeof(struct metadata_config),
          .count_offset = offsetof(struct metadata, n_configs) },
        { FIELD(configs_compared_with), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(configs_diff), .type = JSON_FIELD_TEXT, CONFIG_FILE },
        { FIELD(checks), LIST(checks, metadata_check) },
        { FIELD(warnings), .type = JSON_FIELD_TEXTS, .required = true },
        { 0 },
};

/* An increment's parent is always a file of a sister folder:
 * "../2026-02-01-220015/prod-db-01-vda.qcow2". */
static bool is_parent_path(const char *text)
{
        if (!str_starts_with(text, "../"))
                return false;
        const char *slash = strchr(text + 3, '/');
        if (!slash)
                return false;
        _cleanup_free_ char *point = xstrndup(text + 3, (size_t)(slash - text - 3));
        return name_is_safe(point) && json_text_is_file_name(slash + 1);
}

static bool is_config_path(const char *text)
{
        return str_starts_with(text, "configs/") &&
               json_text_is_file_name(text + strlen("configs/"));
}

struct metadata *metadata_new(void)
{
        struct metadata *metadata = xcalloc(1, sizeof *metadata);
        metadata->format = METADATA_FORMAT;
        return metadata;
}

struct metadata *metadata_free(struct metadata *metadata)
{
        if (!metadata)
                return NULL;
        json_fields_done(metadata_fields, metadata);
        free(metadata);
        return NULL;
}

struct metadata_disk *metadata_add_disk(struct metadata *metadata)
{
        metadata->disks =
                xrealloc_array(metadata->disks, metadata->n_disks + 1, sizeof *metadata->disks);
        struct metadata_disk *disk = &metadata->disks[metadata->n_disks++];
        *disk = (struct metadata_disk){ 0 };
        return disk;
}

void metadata_add_excluded(struct metadata *metadata, const char *target, const char *reason)
{
        metadata->excluded = xrealloc_array(metadata->excluded, metadata->n_excluded + 1,
                                            sizeof *metadata->excluded);
        metadata->excluded[metadata->n_excluded++] = (struct metadata_excluded_disk){
                .target = xstrdup(target),
                .reason = xstrdup(reason),
        };
}

struct metadata_config *metadata_add_config(struct metadata *metadata)
{
        metadata->configs = xrealloc_array(metadata->configs, metadata->n_configs + 1,
                                           sizeof *metadata->configs);
        struct metadata_config *config = &metadata->configs[metadata->n_configs++];
        *config = (struct metadata_config){ 0 };
        return config;
}

const struct metadata_config *metadata_find_config(const struct metadata *metadata,
                                                   const char *file)
{
        for (size_t i = 0; i < metadata->n_configs; i++)
                if (streq(metadata->configs[i].file, file))
                        return &metadata->configs[i];
        return NULL;
}

void metadata_add_check(struct metadata *metadata, enum check_phase phase, const char *name,
                        enum check_verdict verdict, const char *measured)
{
        metadata->checks =
                xrealloc_array(metadata->checks, metadata->n_checks + 1, sizeof *metadata->checks);
        metadata->checks[metadata->n_checks++] = (struct metadata_check){
                .phase = phase,
                .name = xstrdup(name),
                .verdict = verdict,
                .measured = xstrdup(measured ? measured : ""),
        };
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
        uint64_t sum;
        return __builtin_add_overflow(a, b, &sum) || sum > INT64_MAX ? (uint64_t)INT64_MAX : sum;
}

uint64_t metadata_virtual_bytes(const struct metadata *metadata)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < metadata->n_disks; i++)
                sum = add_capped(sum, metadata->disks[i].virtual_bytes);
        return sum;
}

uint64_t metadata_stored_bytes(const struct metadata *metadata)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < metadata->n_disks; i++)
                sum = add_capped(sum, metadata->disks[i].stored_bytes);
        for (size_t i = 0; i < metadata->n_configs; i++)
                sum = add_capped(sum, metadata->configs[i].stored_bytes);
        return sum;
}

char *metadata_format(const struct metadata *metadata)
{
        _cleanup_json_ json_t *json =
                json_fields_to_document(METADATA_FORMAT, metadata_fields, metadata);
        return json_write_document(json);
}

/* What a restore leans on: not null in a point. */
static const char *const point_needs[] = {
        "domain",      "uuid",  "hypervisor",  "ran_on",   "point",
        "method_used", "level", "consistency", "finished", NULL,
};
static const char *const disk_of_point_needs[] = { "file",        "source_path", "source_format",
                                                   "source_type", "sha256",      NULL };

static int need_fields(json_t *json, const char *const names[], const char *where,
                       struct error **err)
{
        for (size_t i = 0; names[i]; i++)
                if (!json_object_get(json, names[i]) ||
                    json_is_null(json_object_get(json, names[i])))
                        return error_set(
                                err, ERROR_CORRUPT,
                                "%s%s: expected a value, as the status is \"ok\", found nothing",
                                where, names[i]);
        return 0;
}

static int check_point(json_t *json, struct error **err)
{
        if (need_fields(json, point_needs, "", err) < 0)
                return -1;
        if (json_is_string(json_object_get(json, "error")))
                return error_set(err, ERROR_CORRUPT,
                                 "error: expected null, as the status is \"ok\", found a string");
        const json_t *disks = json_object_get(json, "disks");
        for (size_t i = 0; i < json_array_size(disks); i++) {
                _cleanup_free_ char *where = xasprintf("disks[%zu].", i);
                if (need_fields(json_array_get(disks, i), disk_of_point_needs, where, err) < 0)
                        return -1;
        }
        return 0;
}

struct metadata *metadata_parse(const char *text, size_t length, struct error **err)
{
        _cleanup_json_ json_t *json = json_read_document(text, length, DOCUMENT_NAME, err);
        if (!json)
                return NULL;
        _cleanup_(metadata_freep) struct metadata *metadata = metadata_new();
        if (json_check_format(json, METADATA_FORMAT, err) < 0 ||
            json_fields_read(metadata_fields, json, "", metadata, err) < 0 ||
            (streq(metadata->status, "ok") && check_point(json, err) < 0)) {
                error_prefix(err, DOCUMENT_NAME);
                return NULL;
        }
        return TAKE_PTR(metadata);
}

const char *check_verdict_name(enum check_verdict verdict)
{
        return verdict_words[verdict];
}

const char *check_phase_name(enum check_phase phase)
{
        return phase_words[phase];
}
