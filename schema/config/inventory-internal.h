/* Between the files that make up schema/config/inventory.h. */
#pragma once

#include "schema/config/inventory.h"
#include "schema/yaml/yaml-fields.h"

/* The keys of a VM. The first INVENTORY_OWN_FIELDS belong to one VM only; `defaults` may have all
 * that follow. */
extern const struct field inventory_vm_fields[];
enum { INVENTORY_OWN_FIELDS = 2 };

/* A VM as it is when nothing is given. */
void inventory_vm_init(struct inventory_vm *vm);
void inventory_vm_done(struct inventory_vm *vm);

/* Adds problems for keys that contradict each other; `node` is the VM's mapping, `defaults` may be
 * NULL. */
void inventory_vm_check(const struct field_reader *reader, const struct inventory_vm *vm,
                        const struct yaml_node *node, const struct yaml_node *defaults);

/* Where to point at for a key: its value, or the mapping itself where the value came from elsewhere
 * (defaults). */
const struct yaml_node *inventory_place(const struct yaml_node *node, const char *key);

/* Reads a list of commands; each string is a shell line for `on`. What was in *ret is freed. */
void vm_commands_read(const struct field_reader *reader, const struct field *field,
                      const struct yaml_node *node, enum command_on on,
                      enum command_on_error on_error, struct vm_command **ret, size_t *ret_n);
void vm_commands_free(struct vm_command *commands, size_t n_commands);

/* Reads a config_capture mapping; member is a struct vm_config_capture **. */
field_read vm_config_capture_read;
struct vm_config_capture *vm_config_capture_free(struct vm_config_capture *capture);
