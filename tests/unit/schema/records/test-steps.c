/* schema/records/steps.h: the names are public, so they are written down here once more. */
#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/records/steps.h"

/* Scripts, dashboards and the metadata of old points know these texts. One may be added to the
 * list; whoever wants to change one breaks them. */
static const char *const public_steps[] = {
        "open-share",    "connect",      "locate",    "probe",         "restores",
        "repair",        "test-domains", "list",      "disks",         "level",
        "checks-before", "appliance",    "staging",   "pre-commands",  "arm",
        "freeze",        "snapshot",     "thaw",      "suspend",       "resume",
        "shutdown",      "power-on",     "increment", "copy",          "commit",
        "configuration", "read-back",    "publish",   "checkpoints",   "retention",
        "post-commands", "point",        "checksums", "original",      "target",
        "plan",          "layers",       "journal",   "overlays",      "compare",
        "stop-original", "rename",       "define",    "start",         "pull",
        "read-point",    "hypervisor",   "prepare",   "boot",          "tests",
        "evidence",      "keep",         "remove",    "compare-point", "record",
        "verify",
};
static const char *const public_undos[] = {
        "thaw",      "resume",     "copy",    "disarm",      "power-on", "commit",
        "increment", "checkpoint", "staging", "test-domain", "restore",  "export",
};
static const char *const public_checks[] = {
        "share-mounted-here",
        "share-mounted",
        "share-marker",
        "share-writable",
        "share-space",
        "share-on-hypervisor",
        "destination-folder",
        "vm-running",
        "no-other-job",
        "no-snapshots",
        "no-block-copy",
        "guest-agent",
        "disks-protectable",
        "disk-sizes",
        "host-tools",
        "hypervisor-space",
        "appliance-login",
        "configs-captured",
        "no-overlay-left",
        "vm-responsive",
        "xml-saved",
        "files-present",
        "checksums-verified",
        "images-checked",
        "metadata-created",
        "point-whole",
        "checksums",
        "untouched",
        "room",
        "paths-free",
        "networks",
        "host-files",
        "tpm",
        "compared",
        "host-memory",
        "scratch-space",
        "read-only-view",
        "agent",
        "boot-pattern",
        "activity",
        "console",
        "screenshot",
        "console-log",
        "test-command",
        "point-left-alone",
        "folder-present",
};

Test(steps, texts_are_the_public_ones)
{
        cr_assert_eq(ARRAY_LENGTH(public_steps), STEP_NAME_COUNT - 1);
        for (size_t i = 0; i < ARRAY_LENGTH(public_steps); i++) {
                cr_assert_str_eq(step_name_text((enum step_name)(i + 1)), public_steps[i]);
                cr_assert_eq(step_name_parse(public_steps[i]), (enum step_name)(i + 1));
        }
        cr_assert_eq(ARRAY_LENGTH(public_undos), UNDO_NAME_COUNT - 1);
        for (size_t i = 0; i < ARRAY_LENGTH(public_undos); i++) {
                cr_assert_str_eq(undo_name_text((enum undo_name)(i + 1)), public_undos[i]);
                cr_assert_eq(undo_name_parse(public_undos[i]), (enum undo_name)(i + 1));
        }
        cr_assert_eq(ARRAY_LENGTH(public_checks), CHECK_NAME_COUNT - 1);
        for (size_t i = 0; i < ARRAY_LENGTH(public_checks); i++) {
                cr_assert_str_eq(check_name_text((enum check_name)(i + 1)), public_checks[i]);
                cr_assert_eq(check_name_parse(public_checks[i]), (enum check_name)(i + 1));
        }
}

Test(steps, an_unknown_name_is_none_and_means_nothing)
{
        cr_assert_eq(step_name_parse("of-a-newer-worker"), STEP_NAME_NONE);
        cr_assert_eq(step_name_parse(NULL), STEP_NAME_NONE);
        cr_assert_eq(step_name_parse(""), STEP_NAME_NONE);
        cr_assert_eq(undo_name_parse("of-a-newer-worker"), UNDO_NAME_NONE);
        cr_assert_eq(check_name_parse("of-a-newer-worker"), CHECK_NAME_NONE);
        cr_assert_not(step_is_before_connection(STEP_NAME_NONE));
        cr_assert_not(step_cause_is_share(STEP_NAME_NONE));
        cr_assert_not(undo_leaves_vm_in_need(UNDO_NAME_NONE));
        cr_assert_eq(check_cause(CHECK_NAME_NONE), CHECK_CAUSE_OWN);
}

/* P2 hangs on this row: a VM whose undoing failed gets its recovery by it. */
Test(steps, all_that_touches_a_vm_leaves_it_in_need)
{
        for (int i = 1; i < UNDO_NAME_COUNT; i++) {
                bool waits = i == UNDO_NAME_STAGING || i == UNDO_NAME_EXPORT;
                cr_assert_eq(undo_leaves_vm_in_need((enum undo_name)i), !waits, "%s",
                             undo_name_text((enum undo_name)i));
        }
}

Test(steps, attributes)
{
        cr_assert(step_is_before_connection(STEP_NAME_LOCATE));
        cr_assert(step_is_before_connection(STEP_NAME_CONNECT));
        cr_assert(step_is_before_connection(STEP_NAME_PROBE));
        cr_assert_not(step_is_before_connection(STEP_NAME_COPY));
        cr_assert(step_cause_is_share(STEP_NAME_OPEN_SHARE));
        cr_assert_not(step_cause_is_share(STEP_NAME_PUBLISH));
        cr_assert_eq(check_cause(CHECK_NAME_SHARE_MOUNTED_HERE), CHECK_CAUSE_SHARE);
        cr_assert_eq(check_cause(CHECK_NAME_SHARE_SPACE), CHECK_CAUSE_SHARE_FULL);
        cr_assert_eq(check_cause(CHECK_NAME_SHARE_MARKER), CHECK_CAUSE_SHARE_ON_HOST);
        cr_assert_eq(check_cause(CHECK_NAME_GUEST_AGENT), CHECK_CAUSE_OWN);
}
