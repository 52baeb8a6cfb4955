/* Implements schema/config/inventory.h: the file as a whole, and what no VM can know by itself:
 * names that stand twice, hypervisors that are not listed.
 *
 * While it is read, vms[i] is what item i of the `vms` list gave, broken or not, so that a problem
 * found later still has a place. Defaults are applied per key: a VM's own mapping first, then
 * `defaults`. */
#include "schema/config/inventory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/inventory-internal.h"
#include "schema/config/text-checks.h"

enum { MAX_VMS = 10000, MAX_HYPERVISORS = 1000 };

static const char default_scratch[] = "/var/lib/libvirt/images";

/* The three parts of the file, as nodes. */
struct parts {
        const struct yaml_node *hypervisors;
        const struct yaml_node *defaults;
        const struct yaml_node *vms;
};

static void keep_node(const struct field_reader *reader _unused_,
                      const struct field *field _unused_, const struct yaml_node *node,
                      void *member)
{
        *(const struct yaml_node **)member = node;
}

static const struct field part_fields[] = {
        { "hypervisors", FIELD_CUSTOM, offsetof(struct parts, hypervisors), .read = keep_node },
        { "defaults", FIELD_CUSTOM, offsetof(struct parts, defaults), .read = keep_node },
        { "vms", FIELD_CUSTOM, offsetof(struct parts, vms), .required = true, .read = keep_node },
        { "x-", FIELD_OWN }, /* a place for anchors */
        { NULL },
};

#define HYPERVISOR(member) offsetof(struct inventory_hypervisor, member)

static const struct field hypervisor_fields[] = {
        { "name", FIELD_TEXT, HYPERVISOR(name), .required = true, .check = text_check_hypervisor },
        { "address", FIELD_TEXT, HYPERVISOR(address), .check = text_check_address },
        { "port", FIELD_UNSIGNED, HYPERVISOR(port), .min = 1, .max = 65535 },
        { "repository", FIELD_TEXT, HYPERVISOR(repository), .check = text_check_absolute_path },
        { "scratch", FIELD_TEXT, HYPERVISOR(scratch), .check = text_check_absolute_path },
        { "uri", FIELD_TEXT, HYPERVISOR(uri), .check = text_check_libvirt_uri },
        { NULL },
};

static void hypervisor_done(struct inventory_hypervisor *hypervisor)
{
        free(hypervisor->name);
        free(hypervisor->address);
        free(hypervisor->repository);
        free(hypervisor->scratch);
        free(hypervisor->uri);
}

static struct inventory_hypervisor *add_hypervisor(struct inventory *inventory)
{
        inventory->hypervisors =
                xrealloc_array(inventory->hypervisors, inventory->n_hypervisors + 1,
                               sizeof *inventory->hypervisors);
        struct inventory_hypervisor *hypervisor =
                &inventory->hypervisors[inventory->n_hypervisors++];
        *hypervisor = (struct inventory_hypervisor){ 0 };
        return hypervisor;
}

static void finish_hypervisor(struct inventory_hypervisor *hypervisor)
{
        if (!hypervisor->address)
                hypervisor->address = xstrdup(hypervisor->name);
        if (!hypervisor->scratch)
                hypervisor->scratch = xstrdup(default_scratch);
        path_tidy_slashes(hypervisor->scratch);
        if (hypervisor->repository)
                path_tidy_slashes(hypervisor->repository);
}

static void read_hypervisors(const struct field_reader *reader, struct inventory *inventory,
                             const struct yaml_node *list)
{
        if (list->kind != NODE_SEQUENCE || list->count > MAX_HYPERVISORS) {
                field_expected(reader, "hypervisors", list,
                               "a list (\"- name: …\") of at most 1000 hypervisors");
                return;
        }
        for (size_t i = 0; i < list->count; i++) {
                struct inventory_hypervisor entry = { 0 };
                fields_read(reader, hypervisor_fields, "a hypervisor", list->items[i], NULL,
                            &entry);
                finish_hypervisor(&entry);
                if (entry.name && inventory_find_hypervisor(inventory, entry.name))
                        field_problem(reader, inventory_place(list->items[i], "name"),
                                      "name: the hypervisor \"%s\" is listed twice", entry.name);
                *add_hypervisor(inventory) = entry;
        }
}

/* Where hypervisors are listed, this one must be among them; else it gets an entry made from its
 * name. */
static void settle_home(const struct field_reader *reader, struct inventory *inventory,
                        const struct inventory_vm *vm, bool are_listed,
                        const struct yaml_node *place)
{
        if (!vm->hypervisor || inventory_find_hypervisor(inventory, vm->hypervisor))
                return;
        if (!are_listed) {
                struct inventory_hypervisor *hypervisor = add_hypervisor(inventory);
                hypervisor->name = xstrdup(vm->hypervisor);
                finish_hypervisor(hypervisor);
                return;
        }
        _cleanup_free_ const char **names = xcalloc(inventory->n_hypervisors + 1, sizeof *names);
        size_t n = 0;
        for (size_t i = 0; i < inventory->n_hypervisors; i++)
                if (inventory->hypervisors[i].name)
                        names[n++] = inventory->hypervisors[i].name;
        const char *nearest = nearest_word(vm->hypervisor, names);
        if (nearest)
                field_problem(reader, place,
                              "hypervisor: \"%s\" is not in the list of hypervisors, did you mean "
                              "\"%s\"?",
                              vm->hypervisor, nearest);
        else
                field_problem(reader, place, "hypervisor: \"%s\" is not in the list of hypervisors",
                              vm->hypervisor);
}

static void read_vm(const struct field_reader *reader, struct inventory *inventory,
                    const struct parts *parts, const struct yaml_node *node)
{
        struct inventory_vm *vm = &inventory->vms[inventory->n_vms++];
        inventory_vm_init(vm);
        vm->line = node->line;
        if (!fields_read(reader, inventory_vm_fields, "a VM", node, parts->defaults, vm))
                return;
        if (!yaml_mapping_get(node, "hypervisor") &&
            !yaml_mapping_get(parts->defaults, "hypervisor"))
                field_problem(reader, node,
                              "the key \"hypervisor\" is missing in a VM, and in defaults");
        if (!vm->domain)
                vm->domain = xstrdup(vm->name);
        inventory_vm_check(reader, vm, node, parts->defaults);
        bool are_listed = parts->hypervisors && parts->hypervisors->kind == NODE_SEQUENCE;
        settle_home(reader, inventory, vm, are_listed, inventory_place(node, "hypervisor"));
}

static void read_vms(const struct field_reader *reader, struct inventory *inventory,
                     const struct parts *parts)
{
        const struct yaml_node *list = parts->vms;
        if (list->kind != NODE_SEQUENCE || list->count > MAX_VMS) {
                field_expected(reader, "vms", list, "a list (\"- name: …\") of at most 10000 VMs");
                return;
        }
        if (list->count == 0)
                problems_add_warning(reader->problems, reader->file, list->line, list->column,
                                     "vms: the list is empty, no VM is protected");
        inventory->vms = xcalloc(list->count + 1, sizeof *inventory->vms);
        for (size_t i = 0; i < list->count; i++)
                read_vm(reader, inventory, parts, list->items[i]);
}

/* Read by themselves too: a mistake in a default that each VM overrides is still a mistake. */
static void check_defaults(const struct field_reader *reader, const struct yaml_node *defaults)
{
        struct inventory_vm scratch;
        inventory_vm_init(&scratch);
        fields_read(reader, inventory_vm_fields + INVENTORY_OWN_FIELDS, "defaults", defaults, NULL,
                    &scratch);
        inventory_vm_done(&scratch);
}

/* Alphabetically without case, equals by case, equals by place. */
static int inventory_compare_names(const void *a, const void *b)
{
        const struct inventory_vm *const *pa = a;
        const struct inventory_vm *const *pb = b;
        int r = strcasecmp((*pa)->name, (*pb)->name);
        if (r == 0)
                r = strcmp((*pa)->name, (*pb)->name);
        return r ? r : (*pa > *pb) - (*pa < *pb);
}

static int compare_domains(const struct inventory_vm *a, const struct inventory_vm *b)
{
        int r = strcmp(a->hypervisor ? a->hypervisor : "", b->hypervisor ? b->hypervisor : "");
        return r ? r : strcmp(a->domain, b->domain);
}

static int compare_domains_then_place(const void *a, const void *b)
{
        const struct inventory_vm *const *pa = a;
        const struct inventory_vm *const *pb = b;
        int r = compare_domains(*pa, *pb);
        return r ? r : (*pa > *pb) - (*pa < *pb);
}

/* Points at the later one of two that lie side by side in the sorted list. */
static void refuse_same_name(const struct field_reader *reader, const struct inventory *inventory,
                             const struct inventory_vm *a, const struct inventory_vm *b,
                             const struct yaml_node *const *items)
{
        const struct inventory_vm *first = a < b ? a : b;
        const struct inventory_vm *second = a < b ? b : a;
        const struct yaml_node *place = inventory_place(items[second - inventory->vms], "name");
        if (streq(a->name, b->name))
                field_problem(reader, place,
                              "name: the VM \"%s\" is listed twice, first on line %u", second->name,
                              first->line);
        else if (strcasecmp(a->name, b->name) == 0)
                problems_add_warning(
                        reader->problems, reader->file, place->line, place->column,
                        "name: \"%s\" differs from \"%s\" on line %u only by upper and lower case",
                        second->name, first->name, first->line);
}

/* Finds what two VMs must not share by sorting: a file may hold thousands. `items` has the nodes of
 * vms[]. */
static void check_pairs(const struct field_reader *reader, const struct inventory *inventory,
                        const struct yaml_node *const *items)
{
        _cleanup_free_ const struct inventory_vm **sorted =
                xcalloc(inventory->n_vms + 1, sizeof *sorted);
        size_t n = 0;
        for (size_t i = 0; i < inventory->n_vms; i++)
                if (inventory->vms[i].name)
                        sorted[n++] = &inventory->vms[i];
        qsort(sorted, n, sizeof(const struct inventory_vm *), inventory_compare_names);
        for (size_t i = 1; i < n; i++)
                refuse_same_name(reader, inventory, sorted[i - 1], sorted[i], items);
        qsort(sorted, n, sizeof(const struct inventory_vm *), compare_domains_then_place);
        for (size_t i = 1; i < n; i++) {
                const struct inventory_vm *first = sorted[i - 1];
                if (compare_domains(first, sorted[i]) == 0 && !streq(first->name, sorted[i]->name))
                        field_problem(reader, items[sorted[i] - inventory->vms],
                                      "the VMs \"%s\" (line %u) and \"%s\" are the same libvirt "
                                      "domain \"%s\"",
                                      first->name, first->line, sorted[i]->name, sorted[i]->domain);
        }
}

static void inventory_read_tree(const struct field_reader *reader, struct inventory *inventory,
                                const struct yaml_node *root)
{
        struct parts parts = { 0 };
        if (!fields_read(reader, part_fields, "the inventory", root, NULL, &parts))
                return;
        if (parts.defaults)
                check_defaults(reader, parts.defaults);
        if (parts.hypervisors)
                read_hypervisors(reader, inventory, parts.hypervisors);
        if (parts.vms)
                read_vms(reader, inventory, &parts);
        if (parts.vms && inventory->n_vms)
                check_pairs(reader, inventory, parts.vms->items);
}

struct inventory *inventory_parse(const char *text, size_t length, const char *path,
                                  struct problems *problems)
{
        size_t n_errors = problems->n_errors;
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                yaml_document_parse(text, length, path, problems);
        if (!document)
                return NULL;
        _cleanup_(inventory_freep) struct inventory *inventory = xcalloc(1, sizeof *inventory);
        inventory->file = xstrdup(path);
        struct field_reader reader = { .file = path, .problems = problems };
        inventory_read_tree(&reader, inventory, yaml_document_root(document));
        return problems->n_errors > n_errors ? NULL : TAKE_PTR(inventory);
}

struct inventory *inventory_load(const char *path, char **ret_text, struct problems *problems)
{
        size_t length = 0;
        _cleanup_free_ char *text = yaml_read_file(path, &length, problems);
        if (!text)
                return NULL;
        struct inventory *inventory = inventory_parse(text, length, path, problems);
        if (ret_text)
                *ret_text = TAKE_PTR(text);
        return inventory;
}

struct inventory *inventory_free(struct inventory *inventory)
{
        if (!inventory)
                return NULL;
        for (size_t i = 0; i < inventory->n_hypervisors; i++)
                hypervisor_done(&inventory->hypervisors[i]);
        for (size_t i = 0; i < inventory->n_vms; i++)
                inventory_vm_done(&inventory->vms[i]);
        free(inventory->hypervisors);
        free(inventory->vms);
        free(inventory->file);
        free(inventory);
        return NULL;
}

const struct inventory_vm *inventory_find_vm(const struct inventory *inventory, const char *name)
{
        for (size_t i = 0; name && i < inventory->n_vms; i++)
                if (streq(inventory->vms[i].name, name))
                        return &inventory->vms[i];
        return NULL;
}

const struct inventory_hypervisor *inventory_find_hypervisor(const struct inventory *inventory,
                                                             const char *name)
{
        for (size_t i = 0; name && i < inventory->n_hypervisors; i++)
                if (streq(inventory->hypervisors[i].name, name))
                        return &inventory->hypervisors[i];
        return NULL;
}

const char *inventory_nearest_vm(const struct inventory *inventory, const char *name)
{
        _cleanup_free_ const char **names = xcalloc(inventory->n_vms + 1, sizeof *names);
        for (size_t i = 0; i < inventory->n_vms; i++)
                names[i] = inventory->vms[i].name;
        return nearest_word(name, names);
}
