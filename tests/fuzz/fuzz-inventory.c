/* vm-list.yaml. What is accepted has to keep the promises that the rest of the program relies on:
 * names that are safe as path components, absolute paths, ranges; what is refused says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "schema/config/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_commands(const struct vm_command *commands, size_t n_commands)
{
        for (size_t i = 0; i < n_commands; i++) {
                require(!commands[i].shell == !!commands[i].argv);
                require(commands[i].shell ? *commands[i].shell != '\0'
                                          : !str_empty(commands[i].argv[0]));
                require(commands[i].timeout_seconds > 0);
        }
}

static void check_vm(const struct inventory *inventory, const struct inventory_vm *vm)
{
        require(name_is_safe(vm->name) && inventory_find_vm(inventory, vm->name) == vm);
        require(*vm->domain && strlen(vm->domain) <= 255 && !strchr(vm->domain, '/'));
        require(!vm->hypervisor || (name_is_safe(vm->hypervisor) &&
                                    inventory_find_hypervisor(inventory, vm->hypervisor)));
        require(vm->min_points > 0 && vm->line > 0);
        require(vm->method != VM_METHOD_SHUTDOWN || vm->level == VM_LEVEL_FULL);
        check_commands(vm->pre_backup_commands, vm->n_pre_backup_commands);
        check_commands(vm->post_backup_commands, vm->n_post_backup_commands);
        check_commands(vm->test_commands, vm->n_test_commands);
        const struct vm_config_capture *capture = vm->config_capture;
        require(!capture ||
                (capture->profile && capture->address && capture->user && capture->port > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(inventory_freep) struct inventory *inventory =
                inventory_parse((const char *)data, size, "f", &problems);
        _cleanup_free_ char *text = problems_format(&problems);
        require(!inventory == (problems.n_errors > 0));
        require(!*text == (problems.count == 0));
        for (size_t i = 0; inventory && i < inventory->n_vms; i++)
                check_vm(inventory, &inventory->vms[i]);
        for (size_t i = 0; inventory && i < inventory->n_hypervisors; i++) {
                const struct inventory_hypervisor *hypervisor = &inventory->hypervisors[i];
                require(name_is_safe(hypervisor->name) && !str_empty(hypervisor->address) &&
                        hypervisor->scratch[0] == '/');
        }
        return 0;
}
