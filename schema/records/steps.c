/* Implements schema/records/steps.h: one table for each kind of name. */
#include "schema/records/steps.h"

#include "base/memory.h"
#include "base/strings.h"

struct step_row {
        const char *text;
        bool before_connection;
        bool cause_share;
};
struct undo_row {
        const char *text;
        bool leaves_vm_in_need;
};
struct check_row {
        const char *text;
        enum check_cause cause;
};

static const struct step_row step_rows[STEP_NAME_COUNT] = {
        [STEP_NAME_NONE] = { "" },
        [STEP_NAME_OPEN_SHARE] = { "open-share", .cause_share = true },
        [STEP_NAME_CONNECT] = { "connect", .before_connection = true },
        [STEP_NAME_LOCATE] = { "locate", .before_connection = true },
        [STEP_NAME_PROBE] = { "probe", .before_connection = true },
        [STEP_NAME_RESTORES] = { "restores" },
        [STEP_NAME_REPAIR] = { "repair" },
        [STEP_NAME_TEST_DOMAINS] = { "test-domains" },
        [STEP_NAME_LIST] = { "list" },
        [STEP_NAME_DISKS] = { "disks" },
        [STEP_NAME_LEVEL] = { "level" },
        [STEP_NAME_CHECKS_BEFORE] = { "checks-before" },
        [STEP_NAME_APPLIANCE] = { "appliance" },
        [STEP_NAME_STAGING] = { "staging" },
        [STEP_NAME_PRE_COMMANDS] = { "pre-commands" },
        [STEP_NAME_ARM] = { "arm" },
        [STEP_NAME_FREEZE] = { "freeze" },
        [STEP_NAME_SNAPSHOT] = { "snapshot" },
        [STEP_NAME_THAW] = { "thaw" },
        [STEP_NAME_SUSPEND] = { "suspend" },
        [STEP_NAME_RESUME] = { "resume" },
        [STEP_NAME_SHUTDOWN] = { "shutdown" },
        [STEP_NAME_POWER_ON] = { "power-on" },
        [STEP_NAME_INCREMENT] = { "increment" },
        [STEP_NAME_COPY] = { "copy" },
        [STEP_NAME_COMMIT] = { "commit" },
        [STEP_NAME_CONFIGURATION] = { "configuration" },
        [STEP_NAME_READ_BACK] = { "read-back" },
        [STEP_NAME_PUBLISH] = { "publish" },
        [STEP_NAME_CHECKPOINTS] = { "checkpoints" },
        [STEP_NAME_RETENTION] = { "retention" },
        [STEP_NAME_POST_COMMANDS] = { "post-commands" },
        [STEP_NAME_POINT] = { "point" },
        [STEP_NAME_CHECKSUMS] = { "checksums" },
        [STEP_NAME_ORIGINAL] = { "original" },
        [STEP_NAME_TARGET] = { "target" },
        [STEP_NAME_PLAN] = { "plan" },
        [STEP_NAME_LAYERS] = { "layers" },
        [STEP_NAME_JOURNAL] = { "journal" },
        [STEP_NAME_OVERLAYS] = { "overlays" },
        [STEP_NAME_COMPARE] = { "compare" },
        [STEP_NAME_STOP_ORIGINAL] = { "stop-original" },
        [STEP_NAME_RENAME] = { "rename" },
        [STEP_NAME_DEFINE] = { "define" },
        [STEP_NAME_START] = { "start" },
        [STEP_NAME_PULL] = { "pull" },
        [STEP_NAME_READ_POINT] = { "read-point" },
        [STEP_NAME_HYPERVISOR] = { "hypervisor" },
        [STEP_NAME_PREPARE] = { "prepare" },
        [STEP_NAME_BOOT] = { "boot" },
        [STEP_NAME_TESTS] = { "tests" },
        [STEP_NAME_EVIDENCE] = { "evidence" },
        [STEP_NAME_KEEP] = { "keep" },
        [STEP_NAME_REMOVE] = { "remove" },
        [STEP_NAME_COMPARE_POINT] = { "compare-point" },
        [STEP_NAME_RECORD] = { "record" },
        [STEP_NAME_VERIFY] = { "verify" },
};

static const struct undo_row undo_rows[UNDO_NAME_COUNT] = {
        [UNDO_NAME_NONE] = { "" },
        [UNDO_NAME_THAW] = { "thaw", .leaves_vm_in_need = true },
        [UNDO_NAME_RESUME] = { "resume", .leaves_vm_in_need = true },
        [UNDO_NAME_COPY] = { "copy", .leaves_vm_in_need = true },
        [UNDO_NAME_DISARM] = { "disarm", .leaves_vm_in_need = true },
        [UNDO_NAME_POWER_ON] = { "power-on", .leaves_vm_in_need = true },
        [UNDO_NAME_COMMIT] = { "commit", .leaves_vm_in_need = true },
        [UNDO_NAME_INCREMENT] = { "increment", .leaves_vm_in_need = true },
        [UNDO_NAME_CHECKPOINT] = { "checkpoint", .leaves_vm_in_need = true },
        [UNDO_NAME_STAGING] = { "staging" },
        [UNDO_NAME_TEST_DOMAIN] = { "test-domain", .leaves_vm_in_need = true },
        [UNDO_NAME_RESTORE] = { "restore", .leaves_vm_in_need = true },
        [UNDO_NAME_EXPORT] = { "export" },
};

static const struct check_row check_rows[CHECK_NAME_COUNT] = {
        [CHECK_NAME_NONE] = { "" },
        [CHECK_NAME_SHARE_MOUNTED_HERE] = { "share-mounted-here", .cause = CHECK_CAUSE_SHARE },
        [CHECK_NAME_SHARE_MOUNTED] = { "share-mounted", .cause = CHECK_CAUSE_SHARE_ON_HOST },
        [CHECK_NAME_SHARE_MARKER] = { "share-marker", .cause = CHECK_CAUSE_SHARE_ON_HOST },
        [CHECK_NAME_SHARE_WRITABLE] = { "share-writable", .cause = CHECK_CAUSE_SHARE_ON_HOST },
        [CHECK_NAME_SHARE_SPACE] = { "share-space", .cause = CHECK_CAUSE_SHARE_FULL },
        [CHECK_NAME_SHARE_ON_HYPERVISOR] = { "share-on-hypervisor",
                                             .cause = CHECK_CAUSE_SHARE_ON_HOST },
        [CHECK_NAME_DESTINATION_FOLDER] = { "destination-folder" },
        [CHECK_NAME_VM_RUNNING] = { "vm-running" },
        [CHECK_NAME_NO_OTHER_JOB] = { "no-other-job" },
        [CHECK_NAME_NO_SNAPSHOTS] = { "no-snapshots" },
        [CHECK_NAME_NO_BLOCK_COPY] = { "no-block-copy" },
        [CHECK_NAME_GUEST_AGENT] = { "guest-agent" },
        [CHECK_NAME_DISKS_PROTECTABLE] = { "disks-protectable" },
        [CHECK_NAME_DISK_SIZES] = { "disk-sizes" },
        [CHECK_NAME_HOST_TOOLS] = { "host-tools" },
        [CHECK_NAME_HYPERVISOR_SPACE] = { "hypervisor-space" },
        [CHECK_NAME_APPLIANCE_LOGIN] = { "appliance-login" },
        [CHECK_NAME_CONFIGS_CAPTURED] = { "configs-captured" },
        [CHECK_NAME_NO_OVERLAY_LEFT] = { "no-overlay-left" },
        [CHECK_NAME_VM_RESPONSIVE] = { "vm-responsive" },
        [CHECK_NAME_XML_SAVED] = { "xml-saved" },
        [CHECK_NAME_FILES_PRESENT] = { "files-present" },
        [CHECK_NAME_CHECKSUMS_VERIFIED] = { "checksums-verified" },
        [CHECK_NAME_IMAGES_CHECKED] = { "images-checked" },
        [CHECK_NAME_METADATA_CREATED] = { "metadata-created" },
        [CHECK_NAME_POINT_WHOLE] = { "point-whole" },
        [CHECK_NAME_CHECKSUMS] = { "checksums" },
        [CHECK_NAME_UNTOUCHED] = { "untouched" },
        [CHECK_NAME_ROOM] = { "room" },
        [CHECK_NAME_PATHS_FREE] = { "paths-free" },
        [CHECK_NAME_NETWORKS] = { "networks" },
        [CHECK_NAME_HOST_FILES] = { "host-files" },
        [CHECK_NAME_TPM] = { "tpm" },
        [CHECK_NAME_COMPARED] = { "compared" },
        [CHECK_NAME_HOST_MEMORY] = { "host-memory" },
        [CHECK_NAME_SCRATCH_SPACE] = { "scratch-space" },
        [CHECK_NAME_READ_ONLY_VIEW] = { "read-only-view" },
        [CHECK_NAME_AGENT] = { "agent" },
        [CHECK_NAME_BOOT_PATTERN] = { "boot-pattern" },
        [CHECK_NAME_ACTIVITY] = { "activity" },
        [CHECK_NAME_CONSOLE] = { "console" },
        [CHECK_NAME_SCREENSHOT] = { "screenshot" },
        [CHECK_NAME_CONSOLE_LOG] = { "console-log" },
        [CHECK_NAME_TEST_COMMAND] = { "test-command" },
        [CHECK_NAME_POINT_LEFT_ALONE] = { "point-left-alone" },
        [CHECK_NAME_FOLDER_PRESENT] = { "folder-present" },
};

const char *step_name_text(enum step_name name)
{
        return step_rows[name].text;
}

const char *undo_name_text(enum undo_name name)
{
        return undo_rows[name].text;
}

const char *check_name_text(enum check_name name)
{
        return check_rows[name].text;
}

/* Each parser walks its own table; NONE, the first row, is what is left. */
#define FIND_NAME(rows, text)                                                 \
        ({                                                                    \
                size_t found_ = 0;                                            \
                for (size_t i_ = 1; i_ < ARRAY_LENGTH(rows) && !found_; i_++) \
                        if (streq((rows)[i_].text, text))                     \
                                found_ = i_;                                  \
                found_;                                                       \
        })

enum step_name step_name_parse(const char *text)
{
        return (enum step_name)FIND_NAME(step_rows, text);
}

enum undo_name undo_name_parse(const char *text)
{
        return (enum undo_name)FIND_NAME(undo_rows, text);
}

enum check_name check_name_parse(const char *text)
{
        return (enum check_name)FIND_NAME(check_rows, text);
}

bool step_is_before_connection(enum step_name name)
{
        return step_rows[name].before_connection;
}

bool step_cause_is_share(enum step_name name)
{
        return step_rows[name].cause_share;
}

bool undo_leaves_vm_in_need(enum undo_name name)
{
        return undo_rows[name].leaves_vm_in_need;
}

enum check_cause check_cause(enum check_name name)
{
        return check_rows[name].cause;
}
