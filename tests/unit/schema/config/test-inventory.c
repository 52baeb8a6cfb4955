/* vm-list.yaml, key by key. Its mistakes are in test-config-corpus.c. */
#include "schema/config/inventory.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static struct inventory *load_good(const char *name)
{
        _cleanup_free_ char *path =
                xasprintf(TESTS_DIRECTORY "/corpus/config/good/vm-list-%s.yaml", name);
        _cleanup_problems_ struct problems problems = { 0 };
        struct inventory *inventory = inventory_load(path, NULL, &problems);
        cr_assert_not_null(inventory, "%s", name);
        return inventory;
}

static struct inventory *parse(const char *text, struct problems *problems)
{
        return inventory_parse(text, strlen(text), "f", problems);
}

Test(inventory, the_list_that_was_asked_for_is_read_as_it_stands)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("as-asked-for");
        cr_assert_eq(inventory->n_vms, 5);
        cr_assert_eq(inventory->n_hypervisors, 5);
        const struct inventory_vm *asa = inventory_find_vm(inventory, "asav-firewall-01");
        cr_assert_str_eq(asa->domain, "asav-firewall-01");
        cr_assert_str_eq(asa->hypervisor, "hypervisor-02");
        cr_assert_eq(asa->method, VM_METHOD_SNAPSHOT);
        cr_assert_eq(asa->priority, 2);
        cr_assert_eq(asa->schedule, VM_SCHEDULE_WEEKLY);
        cr_assert_eq(asa->retention_weeks, 8);
        cr_assert_eq(asa->line, 10);
        cr_assert_eq(asa->n_pre_backup_commands, 1);
        const struct vm_command *command = &asa->pre_backup_commands[0];
        cr_assert_str_eq(command->shell, "ssh admin@192.168.1.1 \"write memory\"");
        cr_assert_null(command->argv);
        cr_assert_eq(command->on, COMMAND_ON_HYPERVISOR);
        cr_assert_eq(command->timeout_seconds, 60);
        cr_assert_eq(command->on_error, COMMAND_ON_ERROR_FAIL);
        const struct inventory_hypervisor *hypervisor =
                inventory_find_hypervisor(inventory, "hypervisor-04");
        cr_assert_str_eq(hypervisor->address, "hypervisor-04");
        cr_assert_str_eq(hypervisor->scratch, "/var/lib/libvirt/images");
        cr_assert_null(hypervisor->repository);
        cr_assert_null(hypervisor->uri);
        cr_assert_eq(hypervisor->port, 0);
}

Test(inventory, what_is_not_given_has_the_documented_default)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("smallest");
        const struct inventory_vm *vm = &inventory->vms[0];
        cr_assert_eq(vm->method, VM_METHOD_QUIESCE);
        cr_assert_eq(vm->priority, 50);
        cr_assert_eq(vm->schedule, VM_SCHEDULE_WEEKLY);
        cr_assert_eq(vm->level, VM_LEVEL_FULL);
        cr_assert_eq(vm->compression, VM_COMPRESSION_NONE);
        cr_assert_eq(vm->fallback, VM_FALLBACK_SNAPSHOT);
        cr_assert_eq(vm->when_off, VM_WHEN_OFF_FAIL);
        cr_assert_eq(vm->min_points, 2);
        cr_assert_eq(vm->test_restore, VM_TEST_RESTORE_NEVER);
        cr_assert_eq(vm->retention_weeks + vm->keep_last + vm->keep_monthly + vm->keep_yearly +
                             vm->full_every_weeks,
                     0);
        cr_assert_not(vm->config_only);
        cr_assert_null(vm->config_capture);
}

static void check_commands(const struct inventory_vm *vm)
{
        cr_assert_eq(vm->n_pre_backup_commands, 3);
        const struct vm_command *dump = &vm->pre_backup_commands[1];
        cr_assert_null(dump->shell);
        cr_assert_eq(strv_length(dump->argv), 3);
        cr_assert_str_eq(dump->argv[1], "--all");
        cr_assert_str_eq(dump->argv[2], "");
        cr_assert_eq(dump->on, COMMAND_ON_GUEST);
        cr_assert_eq(dump->timeout_seconds, 600);
        cr_assert_eq(dump->on_error, COMMAND_ON_ERROR_WARN);
        cr_assert_eq(vm->pre_backup_commands[2].on, COMMAND_ON_ORCHESTRATOR);
        cr_assert_eq(vm->pre_backup_commands[2].on_error, COMMAND_ON_ERROR_IGNORE);
        cr_assert_eq(vm->n_post_backup_commands, 1);
        cr_assert_str_eq(vm->post_backup_commands[0].shell, "if true; then\n  echo done\nfi\n");
        cr_assert_eq(vm->post_backup_commands[0].on_error, COMMAND_ON_ERROR_WARN);
        cr_assert_eq(vm->n_test_commands, 2);
        cr_assert_eq(vm->test_commands[0].on, COMMAND_ON_GUEST);
        cr_assert_eq(vm->test_commands[1].on_error, COMMAND_ON_ERROR_FAIL);
}

static void check_capture(const struct vm_config_capture *capture)
{
        cr_assert_str_eq(capture->profile, "asa");
        cr_assert_str_eq(capture->address, "192.168.1.1");
        cr_assert_eq(capture->port, 22);
        cr_assert_str_eq(capture->user, "backup");
        cr_assert_str_eq(capture->key, "ssh/asa");
        cr_assert_str_eq(capture->password_env, "ASA_PASSWORD");
        cr_assert_str_eq(capture->enable_password_env, "ASA_ENABLE");
        cr_assert_eq(strv_length(capture->algorithms), 3);
        cr_assert(capture->write_memory);
        cr_assert_eq(capture->timeout_seconds, 120);
        cr_assert_eq(capture->on_error, COMMAND_ON_ERROR_FAIL);
}

Test(inventory, each_key_of_a_vm_reaches_its_member)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("all-keys-of-a-vm");
        const struct inventory_vm *vm = &inventory->vms[0];
        cr_assert_str_eq(vm->domain, "Prod DB (01)");
        cr_assert_eq(vm->priority, 0);
        cr_assert_eq(vm->schedule, VM_SCHEDULE_DAILY);
        cr_assert_eq(vm->level, VM_LEVEL_INCREMENTAL);
        cr_assert_eq(vm->full_every_weeks, 4);
        cr_assert_eq(strv_length(vm->exclude_disks), 2);
        cr_assert_str_eq(vm->exclude_disks[1], "sdc");
        cr_assert_eq(vm->compression, VM_COMPRESSION_ZSTD);
        cr_assert_eq(vm->fallback, VM_FALLBACK_FAIL);
        cr_assert_eq(vm->when_off, VM_WHEN_OFF_BACKUP);
        cr_assert_eq(vm->keep_last, 7);
        cr_assert_eq(vm->keep_monthly, 12);
        cr_assert_eq(vm->keep_yearly, 3);
        cr_assert_eq(vm->min_points, 1);
        cr_assert_eq(strv_length(vm->tags), 3);
        cr_assert_eq(vm->test_restore, VM_TEST_RESTORE_QUARTERLY);
        cr_assert_str_eq(vm->boot_pattern, "login:");
        cr_assert_eq(vm->thaw_deadline_seconds, 10);
        check_commands(vm);
        check_capture(vm->config_capture);
}

Test(inventory, a_vm_wins_over_defaults)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("defaults");
        cr_assert_str_eq(inventory->vms[0].hypervisor, "hypervisor-01");
        cr_assert_eq(inventory->vms[0].method, VM_METHOD_SNAPSHOT);
        cr_assert_str_eq(inventory->vms[1].hypervisor, "hypervisor-02");
        cr_assert_eq(inventory->vms[1].method, VM_METHOD_QUIESCE);
        cr_assert_eq(inventory->vms[1].retention_weeks, 8);
        cr_assert_str_eq(inventory->vms[1].tags[0], "standard");
        cr_assert_eq(inventory->n_hypervisors, 2);
}

Test(inventory, anchors_and_merge_keys_fill_vms)
{
        _cleanup_(inventory_freep) struct inventory *inventory =
                load_good("anchors-and-merge-keys");
        cr_assert_eq(inventory_find_vm(inventory, "a")->priority, 20);
        cr_assert_eq(inventory_find_vm(inventory, "b")->priority, 1);
        cr_assert_eq(inventory_find_vm(inventory, "b")->level, VM_LEVEL_DIFFERENTIAL);
        cr_assert_eq(inventory_find_vm(inventory, "d")->priority, 7);
        cr_assert_eq(inventory_find_vm(inventory, "d")->retention_weeks, 8);
}

Test(inventory, listed_hypervisors_keep_what_they_say)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("hypervisors");
        const struct inventory_hypervisor *first =
                inventory_find_hypervisor(inventory, "hypervisor-01");
        cr_assert_eq(inventory->n_hypervisors, 6);
        cr_assert_str_eq(first->address, "10.0.0.11");
        cr_assert_eq(first->port, 2222);
        cr_assert_str_eq(first->repository, "/mnt/backup", "without its trailing slash");
        cr_assert_str_eq(first->scratch, "/var/lib/libvirt/scratch");
        cr_assert_str_eq(inventory_find_hypervisor(inventory, "hypervisor-05")->uri,
                         "qemu:///system");
}

Test(inventory, auto_is_no_hypervisor)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("hypervisor-auto");
        cr_assert_null(inventory->vms[0].hypervisor);
        cr_assert_eq(inventory->n_hypervisors, 0);
}

Test(inventory, warnings_do_not_refuse)
{
        static const struct {
                const char *text;
                const char *warning;
        } cases[] = {
                { "vms: []\n", "no VM is protected" },
                { "vms: [{name: a, hypervisor: h}]\n", "how long the backups of \"a\" are kept" },
                { "vms: [{name: a, hypervisor: h, keep_last: 1}, {name: A, hypervisor: h, "
                  "keep_last: 1}]\n",
                  "only by upper and lower case" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_problems_ struct problems problems = { 0 };
                _cleanup_(inventory_freep) struct inventory *inventory =
                        parse(cases[i].text, &problems);
                cr_assert_not_null(inventory);
                cr_assert_eq(problems.count, 1);
                cr_assert(problems.items[0].warning);
                cr_assert(strstr(problems.items[0].message, cases[i].warning), "%s",
                          problems.items[0].message);
        }
}

Test(inventory, a_retention_given_by_defaults_is_enough_and_a_refused_one_is_not_warned_about)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(inventory_freep) struct inventory *inventory =
                parse("defaults: {keep_yearly: 1}\nvms: [{name: a, hypervisor: h}]\n", &problems);
        cr_assert_eq(problems.count, 0);
        cr_assert_null(parse("vms: [{name: a, hypervisor: h, keep_last: 0}]\n", &problems));
        cr_assert_eq(problems.count, 1);
}

Test(inventory, earlier_problems_of_another_file_do_not_refuse_this_one)
{
        _cleanup_problems_ struct problems problems = { 0 };
        problems_add(&problems, "orch.yaml", 1, 1, "something");
        _cleanup_(inventory_freep) struct inventory *inventory =
                parse("vms: [{name: a, hypervisor: h, keep_last: 1}]\n", &problems);
        cr_assert_not_null(inventory);
}

Test(inventory, the_text_comes_back_even_when_it_is_invalid_and_a_missing_file_is_a_problem)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_free_ char *text = NULL;
        cr_assert_null(inventory_load(TESTS_DIRECTORY "/corpus/config/bad/vm-list-vms-missing.yaml",
                                      &text, &problems));
        cr_assert(str_starts_with(text, "# expect: "));
        _cleanup_free_ char *nothing = NULL;
        cr_assert_null(inventory_load("/nonexistent/vm-list.yaml", &nothing, &problems));
        cr_assert_null(nothing);
        cr_assert_eq(problems.count, 2);
        cr_assert_eq(problems.items[1].line, 0);
}

Test(inventory, names_are_found_exactly_and_misspelt_ones_nearly)
{
        _cleanup_(inventory_freep) struct inventory *inventory = load_good("as-asked-for");
        cr_assert_null(inventory_find_vm(inventory, "Prod-db-01"));
        cr_assert_null(inventory_find_vm(inventory, NULL));
        cr_assert_str_eq(inventory_nearest_vm(inventory, "prod-bd-01"), "prod-db-01");
        cr_assert_null(inventory_nearest_vm(inventory, "something-else-entirely"));
}

Test(inventory, the_words_go_both_ways)
{
        enum vm_method method;
        enum vm_level level;
        cr_assert(vm_method_from_name("shutdown", &method));
        cr_assert_str_eq(vm_method_name(method), "shutdown");
        cr_assert(vm_level_from_name("differential", &level));
        cr_assert_str_eq(vm_level_name(level), "differential");
        cr_assert_not(vm_method_from_name("Shutdown", &method));
        cr_assert_not(vm_level_from_name(NULL, &level));
        cr_assert_str_eq(vm_schedule_name(VM_SCHEDULE_MANUAL), "manual");
        cr_assert_str_eq(vm_compression_name(VM_COMPRESSION_ZLIB), "zlib");
}

/* The most that a file may hold, all VMs on hypervisors of their own. */
Test(inventory, thousands_of_vms_are_read_quickly, .timeout = 60)
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        strbuf_add(&text, "vms:\n");
        for (int i = 0; i < 10000; i++)
                strbuf_addf(&text, "- {name: vm-%d, hypervisor: h-%d, keep_last: 1}\n", i, i);
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(inventory_freep) struct inventory *inventory =
                inventory_parse(text.data, text.length, "f", &problems);
        cr_assert_not_null(inventory);
        cr_assert_eq(inventory->n_hypervisors, 10000);
}

Test(inventory, a_boot_pattern_has_to_be_a_regular_expression)
{
        static const char head[] =
                "vms:\n  - { name: a, hypervisor: h, retention_weeks: 4, boot_pattern: ";
        static const char *const patterns[] = { "\"(login|Willkommen)\"", "\"(login\"" };
        for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
                _cleanup_free_ char *text = xasprintf("%s%s }\n", head, patterns[i]);
                _cleanup_problems_ struct problems problems = { 0 };
                _cleanup_(inventory_freep) struct inventory *inventory =
                        inventory_parse(text, strlen(text), "f", &problems);
                cr_assert_eq(inventory != NULL, i == 0, "%s", patterns[i]);
        }
}
