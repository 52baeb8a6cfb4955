/* The contract between a worker and whoever reads its events: the names of steps, checks and undo
 * entries, and what each name means to the daemon.
 *
 * Code uses the enums only. The texts, which go over the wire (schema/event.schema.json) and into
 * the metadata of a restore point, stand in the tables of steps.c and nowhere else. They are
 * public: a name may be added, none may be changed. A reader may meet a name of a newer or an older
 * worker that it does not know: the parsers then return NONE, every attribute of which is false,
 * and the text itself stays what is shown to people. */
#pragma once

#include <stdbool.h>

/* A step of a job, as it is shown to people. */
enum step_name {
        STEP_NAME_NONE, /* no step, or one that is not known here */
        /* what every job begins with */
        STEP_NAME_OPEN_SHARE,
        STEP_NAME_CONNECT,
        STEP_NAME_LOCATE,
        STEP_NAME_PROBE,
        STEP_NAME_RESTORES,
        STEP_NAME_REPAIR,
        STEP_NAME_TEST_DOMAINS,
        STEP_NAME_LIST,
        /* a backup */
        STEP_NAME_DISKS,
        STEP_NAME_LEVEL,
        STEP_NAME_CHECKS_BEFORE,
        STEP_NAME_APPLIANCE,
        STEP_NAME_STAGING,
        STEP_NAME_PRE_COMMANDS,
        STEP_NAME_ARM,
        STEP_NAME_FREEZE,
        STEP_NAME_SNAPSHOT,
        STEP_NAME_THAW,
        STEP_NAME_SUSPEND,
        STEP_NAME_RESUME,
        STEP_NAME_SHUTDOWN,
        STEP_NAME_POWER_ON,
        STEP_NAME_INCREMENT,
        STEP_NAME_COPY,
        STEP_NAME_COMMIT,
        STEP_NAME_CONFIGURATION,
        STEP_NAME_READ_BACK,
        STEP_NAME_PUBLISH,
        STEP_NAME_CHECKPOINTS,
        STEP_NAME_RETENTION,
        STEP_NAME_POST_COMMANDS,
        /* a restore */
        STEP_NAME_POINT,
        STEP_NAME_CHECKSUMS,
        STEP_NAME_ORIGINAL,
        STEP_NAME_TARGET,
        STEP_NAME_PLAN,
        STEP_NAME_LAYERS,
        STEP_NAME_JOURNAL,
        STEP_NAME_OVERLAYS,
        STEP_NAME_COMPARE,
        STEP_NAME_STOP_ORIGINAL,
        STEP_NAME_RENAME,
        STEP_NAME_DEFINE,
        STEP_NAME_START,
        STEP_NAME_PULL,
        /* a test-restore */
        STEP_NAME_READ_POINT,
        STEP_NAME_HYPERVISOR,
        STEP_NAME_PREPARE,
        STEP_NAME_BOOT,
        STEP_NAME_TESTS,
        STEP_NAME_EVIDENCE,
        STEP_NAME_KEEP,
        STEP_NAME_REMOVE,
        STEP_NAME_COMPARE_POINT,
        STEP_NAME_RECORD,
        /* a verification */
        STEP_NAME_VERIFY,
        STEP_NAME_COUNT
};

/* What the undo stack holds (worker/job/undo.h), in the order in which it is undone: a guest is
 * thawed or resumed before its overlays are committed, a copy is stopped before the commit of what
 * it reads, and an increment is ended before its checkpoint is deleted. An undo entry is reported
 * as a step of this name. */
enum undo_name {
        UNDO_NAME_NONE,
        UNDO_NAME_THAW,
        UNDO_NAME_RESUME,
        UNDO_NAME_COPY,
        UNDO_NAME_DISARM,
        UNDO_NAME_POWER_ON,
        UNDO_NAME_COMMIT,
        UNDO_NAME_INCREMENT,
        UNDO_NAME_CHECKPOINT,
        UNDO_NAME_STAGING,
        UNDO_NAME_TEST_DOMAIN,
        UNDO_NAME_RESTORE,
        UNDO_NAME_EXPORT,
        UNDO_NAME_COUNT
};

/* A check, as metadata and events name it. */
enum check_name {
        CHECK_NAME_NONE,
        /* a backup, and a hypervisor's check */
        CHECK_NAME_SHARE_MOUNTED_HERE,
        CHECK_NAME_SHARE_MOUNTED,
        CHECK_NAME_SHARE_MARKER,
        CHECK_NAME_SHARE_WRITABLE,
        CHECK_NAME_SHARE_SPACE,
        CHECK_NAME_SHARE_ON_HYPERVISOR,
        CHECK_NAME_DESTINATION_FOLDER,
        CHECK_NAME_VM_RUNNING,
        CHECK_NAME_NO_OTHER_JOB,
        CHECK_NAME_NO_SNAPSHOTS,
        CHECK_NAME_NO_BLOCK_COPY,
        CHECK_NAME_GUEST_AGENT,
        CHECK_NAME_DISKS_PROTECTABLE,
        CHECK_NAME_DISK_SIZES,
        CHECK_NAME_HOST_TOOLS,
        CHECK_NAME_HYPERVISOR_SPACE,
        CHECK_NAME_APPLIANCE_LOGIN,
        CHECK_NAME_CONFIGS_CAPTURED,
        CHECK_NAME_NO_OVERLAY_LEFT,
        CHECK_NAME_VM_RESPONSIVE,
        CHECK_NAME_XML_SAVED,
        CHECK_NAME_FILES_PRESENT,
        CHECK_NAME_CHECKSUMS_VERIFIED,
        CHECK_NAME_IMAGES_CHECKED,
        CHECK_NAME_METADATA_CREATED,
        /* a restore */
        CHECK_NAME_POINT_WHOLE,
        CHECK_NAME_CHECKSUMS,
        CHECK_NAME_UNTOUCHED,
        CHECK_NAME_ROOM,
        CHECK_NAME_PATHS_FREE,
        CHECK_NAME_NETWORKS,
        CHECK_NAME_HOST_FILES,
        CHECK_NAME_TPM,
        CHECK_NAME_COMPARED,
        /* a test-restore, and a verification */
        CHECK_NAME_HOST_MEMORY,
        CHECK_NAME_SCRATCH_SPACE,
        CHECK_NAME_READ_ONLY_VIEW,
        CHECK_NAME_AGENT,
        CHECK_NAME_BOOT_PATTERN,
        CHECK_NAME_ACTIVITY,
        CHECK_NAME_CONSOLE,
        CHECK_NAME_SCREENSHOT,
        CHECK_NAME_CONSOLE_LOG,
        CHECK_NAME_TEST_COMMAND,
        CHECK_NAME_POINT_LEFT_ALONE,
        CHECK_NAME_FOLDER_PRESENT,
        CHECK_NAME_COUNT
};

/* What a failed check says about other VMs: their jobs would fail for the same reason. */
enum check_cause {
        CHECK_CAUSE_OWN,           /* nothing: only this VM is concerned */
        CHECK_CAUSE_SHARE,         /* the share is not there for the orchestrator */
        CHECK_CAUSE_SHARE_FULL,    /* the share has no room */
        CHECK_CAUSE_SHARE_ON_HOST, /* the share is not there, or not right, for this hypervisor */
};

/* The public text of a name; "" for NONE. Static. */
const char *step_name_text(enum step_name name);
const char *undo_name_text(enum undo_name name);
const char *check_name_text(enum check_name name);

/* The name of a public text; NONE for NULL and for a text that is not known. */
enum step_name step_name_parse(const char *text);
enum undo_name undo_name_parse(const char *text);
enum check_name check_name_parse(const char *text);

/* A failure in this step comes before a connection to the hypervisor works: other VMs of the same
 * hypervisor fail likewise. */
bool step_is_before_connection(enum step_name name);
/* A failure in this step means that the share is not there for the orchestrator. */
bool step_cause_is_share(enum step_name name);
/* When its undoing failed, the VM or its hypervisor needs a recovery soon. What it is false for
 * waits until the next backup of the VM without harm. */
bool undo_leaves_vm_in_need(enum undo_name name);
enum check_cause check_cause(enum check_name name);
