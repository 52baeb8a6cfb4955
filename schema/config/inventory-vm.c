/* One VM of the inventory: its keys, what they are when they are not given, and which of them
 * contradict each other. */
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/inventory-internal.h"
#include "schema/config/text-checks.h"

static const char *const method_words[] = { "quiesce", "snapshot", "suspend", "shutdown", NULL };
static const char *const schedule_words[] = { "daily",   "weekly", "biweekly",
                                              "monthly", "manual", NULL };
static const char *const level_words[] = { "full", "incremental", "differential", NULL };
static const char *const compression_words[] = { "none", "zstd", "zlib", NULL };
static const char *const fallback_words[] = { "snapshot", "fail", NULL };
static const char *const when_off_words[] = { "fail", "backup", "skip", NULL };
static const char *const test_restore_words[] = { "never",   "after-each", "weekly",
                                                  "monthly", "quarterly",  NULL };

static void read_home(const struct field_reader *reader, const struct field *field,
                      const struct yaml_node *node, void *member)
{
        char **home = member;
        const char *text = field_text(reader, field, node);
        if (text)
                xstrdup_replace(home, streq(text, "auto") ? NULL : text);
}

/* The three lists of commands have two members each: their fields have the VM itself as member. */
static void read_pre_backup(const struct field_reader *reader, const struct field *field,
                            const struct yaml_node *node, void *member)
{
        struct inventory_vm *vm = member;
        vm_commands_read(reader, field, node, COMMAND_ON_HYPERVISOR, COMMAND_ON_ERROR_FAIL,
                         &vm->pre_backup_commands, &vm->n_pre_backup_commands);
}

static void read_post_backup(const struct field_reader *reader, const struct field *field,
                             const struct yaml_node *node, void *member)
{
        struct inventory_vm *vm = member;
        vm_commands_read(reader, field, node, COMMAND_ON_HYPERVISOR, COMMAND_ON_ERROR_WARN,
                         &vm->post_backup_commands, &vm->n_post_backup_commands);
}

/* They ask the restored guest, so that is where a plain string runs. */
static void read_test(const struct field_reader *reader, const struct field *field,
                      const struct yaml_node *node, void *member)
{
        struct inventory_vm *vm = member;
        vm_commands_read(reader, field, node, COMMAND_ON_GUEST, COMMAND_ON_ERROR_FAIL,
                         &vm->test_commands, &vm->n_test_commands);
}

#define VM(member) offsetof(struct inventory_vm, member)

/* Those of one VM alone come first: INVENTORY_OWN_FIELDS counts them. */
const struct field inventory_vm_fields[] = {
        { "name", FIELD_TEXT, VM(name), .required = true, .check = text_check_name },
        { "domain", FIELD_TEXT, VM(domain), .check = text_check_domain },
        { "hypervisor", FIELD_CUSTOM, VM(hypervisor), .check = text_check_home, .read = read_home },
        { "method", FIELD_WORD, VM(method), .words = method_words },
        { "priority", FIELD_INT, VM(priority), .min = 0, .max = 9999 },
        { "schedule", FIELD_WORD, VM(schedule), .words = schedule_words },
        { "level", FIELD_WORD, VM(level), .words = level_words },
        { "full_every_weeks", FIELD_UNSIGNED, VM(full_every_weeks), .min = 0, .max = 520 },
        { "exclude_disks", FIELD_TEXTS, VM(exclude_disks), .check = text_check_target,
          .unique = true },
        { "config_only", FIELD_BOOL, VM(config_only) },
        { "compression", FIELD_WORD, VM(compression), .words = compression_words },
        { "fallback", FIELD_WORD, VM(fallback), .words = fallback_words },
        { "when_off", FIELD_WORD, VM(when_off), .words = when_off_words },
        { "retention_weeks", FIELD_UNSIGNED, VM(retention_weeks), .min = 1, .max = 1000 },
        { "keep_last", FIELD_UNSIGNED, VM(keep_last), .min = 1, .max = 1000 },
        { "keep_monthly", FIELD_UNSIGNED, VM(keep_monthly), .min = 1, .max = 1000 },
        { "keep_yearly", FIELD_UNSIGNED, VM(keep_yearly), .min = 1, .max = 1000 },
        { "min_points", FIELD_UNSIGNED, VM(min_points), .min = 1, .max = 1000 },
        { "tags", FIELD_TEXTS, VM(tags), .check = text_check_word, .unique = true },
        { "pre_backup_commands", FIELD_CUSTOM, 0, .read = read_pre_backup },
        { "post_backup_commands", FIELD_CUSTOM, 0, .read = read_post_backup },
        { "config_capture", FIELD_CUSTOM, VM(config_capture), .read = vm_config_capture_read },
        { "test_restore", FIELD_WORD, VM(test_restore), .words = test_restore_words },
        { "test_commands", FIELD_CUSTOM, 0, .read = read_test },
        { "boot_pattern", FIELD_TEXT, VM(boot_pattern), .check = text_check_pattern },
        { "thaw_deadline_seconds", FIELD_UNSIGNED, VM(thaw_deadline_seconds), .min = 1,
          .max = 300 },
        { NULL },
};

void inventory_vm_init(struct inventory_vm *vm)
{
        *vm = (struct inventory_vm){ .priority = 50,
                                     .schedule = VM_SCHEDULE_WEEKLY,
                                     .min_points = 2 };
}

void inventory_vm_done(struct inventory_vm *vm)
{
        free(vm->name);
        free(vm->domain);
        free(vm->hypervisor);
        strv_free(vm->exclude_disks);
        strv_free(vm->tags);
        vm_commands_free(vm->pre_backup_commands, vm->n_pre_backup_commands);
        vm_commands_free(vm->post_backup_commands, vm->n_post_backup_commands);
        vm_config_capture_free(vm->config_capture);
        vm_commands_free(vm->test_commands, vm->n_test_commands);
        free(vm->boot_pattern);
}

const struct yaml_node *inventory_place(const struct yaml_node *node, const char *key)
{
        const struct yaml_node *value = yaml_mapping_get(node, key);
        return value ? value : node;
}

/* Asks the file and not the struct: a retention that was refused is no reason for a warning too. */
static bool has_retention(const struct yaml_node *node, const struct yaml_node *defaults)
{
        static const char *const keys[] = { "retention_weeks", "keep_last", "keep_monthly",
                                            "keep_yearly" };
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
                if (yaml_mapping_get(node, keys[i]) || yaml_mapping_get(defaults, keys[i]))
                        return true;
        return false;
}

void inventory_vm_check(const struct field_reader *reader, const struct inventory_vm *vm,
                        const struct yaml_node *node, const struct yaml_node *defaults)
{
        /* An increment comes out of QEMU's bitmaps, which nobody can read or renew while the
         * machine is off. */
        if (vm->method == VM_METHOD_SHUTDOWN && vm->level != VM_LEVEL_FULL)
                field_problem(reader, inventory_place(node, "level"),
                              "level: %s is not possible with method: shutdown, because an "
                              "increment needs the VM running; "
                              "set level: full, or another method",
                              vm_level_name(vm->level));
        if (vm->config_only && vm->test_restore != VM_TEST_RESTORE_NEVER)
                field_problem(reader, inventory_place(node, "test_restore"),
                              "test_restore: a VM with config_only has no disks to boot from; set "
                              "test_restore: never");
        if (vm->name && !has_retention(node, defaults))
                problems_add_warning(reader->problems, reader->file, node->line, node->column,
                                     "no key sets how long the backups of \"%s\" are kept, so none "
                                     "is ever removed: set "
                                     "retention_weeks, keep_last, keep_monthly or keep_yearly",
                                     vm->name);
}

const char *vm_method_name(enum vm_method method)
{
        return method_words[method];
}

static bool from_name(const char *name, const char *const words[], unsigned *ret)
{
        for (unsigned i = 0; name && words[i]; i++) {
                if (!streq(words[i], name))
                        continue;
                *ret = i;
                return true;
        }
        return false;
}

bool vm_method_from_name(const char *name, enum vm_method *ret)
{
        return from_name(name, method_words, (unsigned *)ret);
}

const char *vm_schedule_name(enum vm_schedule schedule)
{
        return schedule_words[schedule];
}

const char *vm_level_name(enum vm_level level)
{
        return level_words[level];
}

bool vm_level_from_name(const char *name, enum vm_level *ret)
{
        return from_name(name, level_words, (unsigned *)ret);
}

const char *vm_compression_name(enum vm_compression compression)
{
        return compression_words[compression];
}
