/* vm-list.yaml: which VMs are protected, where they live and how. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "schema/yaml/problems.h"

enum vm_method { VM_METHOD_QUIESCE, VM_METHOD_SNAPSHOT, VM_METHOD_SUSPEND, VM_METHOD_SHUTDOWN };
enum vm_schedule {
        VM_SCHEDULE_DAILY,
        VM_SCHEDULE_WEEKLY,
        VM_SCHEDULE_BIWEEKLY,
        VM_SCHEDULE_MONTHLY,
        VM_SCHEDULE_MANUAL
};
enum vm_level { VM_LEVEL_FULL, VM_LEVEL_INCREMENTAL, VM_LEVEL_DIFFERENTIAL };
enum vm_compression { VM_COMPRESSION_NONE, VM_COMPRESSION_ZSTD, VM_COMPRESSION_ZLIB };
enum vm_fallback { VM_FALLBACK_SNAPSHOT, VM_FALLBACK_FAIL };
enum vm_when_off { VM_WHEN_OFF_FAIL, VM_WHEN_OFF_BACKUP, VM_WHEN_OFF_SKIP };
enum vm_test_restore {
        VM_TEST_RESTORE_NEVER,
        VM_TEST_RESTORE_AFTER_EACH,
        VM_TEST_RESTORE_WEEKLY,
        VM_TEST_RESTORE_MONTHLY,
        VM_TEST_RESTORE_QUARTERLY,
};

enum command_on { COMMAND_ON_HYPERVISOR, COMMAND_ON_ORCHESTRATOR, COMMAND_ON_GUEST };
enum command_on_error { COMMAND_ON_ERROR_FAIL, COMMAND_ON_ERROR_WARN, COMMAND_ON_ERROR_IGNORE };

/* One of pre_backup_commands, post_backup_commands, test_commands. */
struct vm_command {
        enum command_on on;
        /* a string in the YAML: `sh -c` on the hypervisor; else NULL and argv is set */
        char *shell;
        char **argv;
        unsigned timeout_seconds;       /* default 60 */
        enum command_on_error on_error; /* default: pre fail, post warn */
};

/* An appliance whose configuration is captured over its own SSH. */
struct vm_config_capture {
        char *profile; /* "asa" */
        char *address;
        unsigned port; /* default 22 */
        char *user;
        char *key;                      /* path, relative to the inventory's folder; or NULL */
        char *password_env;             /* names of secrets; or NULL */
        char *enable_password_env;      /* or NULL */
        char **algorithms;              /* legacy SSH algorithms allowed by name; or NULL */
        bool write_memory;              /* default true */
        unsigned timeout_seconds;       /* default 60, per step */
        enum command_on_error on_error; /* default warn */
};

struct inventory_hypervisor {
        char *name;
        char *address;    /* default: name */
        unsigned port;    /* 0: ssh.port of the settings */
        char *repository; /* the share as that host sees it; NULL: repository.path */
        char *scratch;    /* default /var/lib/libvirt/images */
        char *uri;        /* NULL: qemu+libssh made from the settings */
};

struct inventory_vm {
        char *name;
        char *domain;     /* default: name */
        char *hypervisor; /* NULL: `auto`, find it */
        enum vm_method method;
        int priority; /* lower first; default 50 */
        enum vm_schedule schedule;
        enum vm_level level;
        unsigned full_every_weeks; /* 0: never by age */
        char **exclude_disks;
        bool config_only;
        enum vm_compression compression;
        enum vm_fallback fallback;
        enum vm_when_off when_off;
        unsigned retention_weeks; /* these four: 0 = not given */
        unsigned keep_last;
        unsigned keep_monthly;
        unsigned keep_yearly;
        unsigned min_points; /* default 2 */
        char **tags;
        struct vm_command *pre_backup_commands;
        size_t n_pre_backup_commands;
        struct vm_command *post_backup_commands;
        size_t n_post_backup_commands;
        struct vm_config_capture *config_capture; /* or NULL */
        enum vm_test_restore test_restore;
        struct vm_command *test_commands;
        size_t n_test_commands;
        char *boot_pattern;
        unsigned thaw_deadline_seconds; /* 0: the settings' */
        unsigned line;                  /* where it stands in the file */
};

struct inventory {
        char *file;
        /* those listed, and one for each name that only a VM uses */
        struct inventory_hypervisor *hypervisors;
        size_t n_hypervisors;
        struct inventory_vm *vms; /* in file order */
        size_t n_vms;
};

/* Reads and validates the text of a vm-list.yaml; `path` is named in problems. Returns NULL when it
 * adds at least one error to `problems` (warnings don't count). The caller frees. */
struct inventory *inventory_parse(const char *text, size_t length, const char *path,
                                  struct problems *problems) _must_check_;

/* The same from a file. *ret_text (may be NULL) gets the text that was read, also when it is
 * invalid. */
struct inventory *inventory_load(const char *path, char **ret_text,
                                 struct problems *problems) _must_check_;

struct inventory *inventory_free(struct inventory *inventory);
DEFINE_FREEP(struct inventory, inventory_free)

/* By exact name; NULL when there is none. The inventory keeps ownership. */
const struct inventory_vm *inventory_find_vm(const struct inventory *inventory, const char *name);
const struct inventory_hypervisor *inventory_find_hypervisor(const struct inventory *inventory,
                                                             const char *name);
/* The VM's name nearest to a misspelt one, or NULL. */
const char *inventory_nearest_vm(const struct inventory *inventory, const char *name);

/* The words as they stand in the YAML: "quiesce", "weekly", … Never NULL; *_from_name return false
 * for an unknown word. */
const char *vm_method_name(enum vm_method method);
bool vm_method_from_name(const char *name, enum vm_method *ret);
const char *vm_schedule_name(enum vm_schedule schedule);
const char *vm_level_name(enum vm_level level);
bool vm_level_from_name(const char *name, enum vm_level *ret);
const char *vm_compression_name(enum vm_compression compression);
