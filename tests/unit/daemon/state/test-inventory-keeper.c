/* The last good inventory, while the file is broken and over a restart. */
#include "daemon/state/inventory-keeper.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

static char folder[] = "/tmp/orch-inventory-test-XXXXXX";
static char *path;

static void make_folder(void)
{
        cr_assert(mkdtemp(folder));
        path = path_join(folder, "vm-list.yaml");
}

static void remove_folder(void)
{
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, folder, NULL), 0);
        free(path);
}

TestSuite(inventory_keeper, .init = make_folder, .fini = remove_folder);

static void write_list(const char *text)
{
        cr_assert_eq(fs_write_file(path, 0600, text, strlen(text), NULL), 0);
}

#define GOOD "vms:\n  - { name: a, hypervisor: h1, method: quiesce, schedule: daily }\n"
#define BETTER GOOD "  - { name: b, hypervisor: h1, method: quiesce, schedule: daily }\n"
#define BROKEN "vms:\n  - { name: ../a, hypervisor: h1, methud: quiesce }\n"

Test(inventory_keeper, a_broken_file_leaves_the_last_good_one_in_use)
{
        _cleanup_(inventory_keeper_freep) struct inventory_keeper *keeper =
                inventory_keeper_new(path, folder);
        _cleanup_error_ struct error *error = NULL;
        write_list(GOOD);
        cr_assert_eq(inventory_keeper_reload(keeper, &error), 0, "%s", error_message(error));
        cr_assert_eq(inventory_keeper_state(keeper), INVENTORY_OK);
        write_list(BROKEN);
        cr_assert_eq(inventory_keeper_reload(keeper, &error), -1);
        cr_assert_eq(error->kind, ERROR_CONFIG);
        cr_assert(strstr(error->message, "methud") && strstr(error->message, "../a"),
                  "all problems at once: %s", error->message);
        cr_assert_eq(inventory_keeper_state(keeper), INVENTORY_LAST_GOOD);
        cr_assert_eq(inventory_keeper_get(keeper)->n_vms, 1);
        cr_assert_str_eq(inventory_keeper_text(keeper), GOOD);
        write_list(BETTER);
        cr_assert_eq(inventory_keeper_reload(keeper, NULL), 0);
        cr_assert_eq(inventory_keeper_get(keeper)->n_vms, 2);
        cr_assert_null(inventory_keeper_problems(keeper));
}

Test(inventory_keeper, also_across_a_restart)
{
        write_list(BETTER);
        struct inventory_keeper *first = inventory_keeper_new(path, folder);
        cr_assert_eq(inventory_keeper_reload(first, NULL), 0);
        inventory_keeper_free(first);
        cr_assert_eq(unlink(path), 0);
        _cleanup_(inventory_keeper_freep) struct inventory_keeper *keeper =
                inventory_keeper_new(path, folder);
        cr_assert_eq(inventory_keeper_reload(keeper, NULL), -1);
        cr_assert_eq(inventory_keeper_state(keeper), INVENTORY_LAST_GOOD);
        cr_assert_eq(inventory_keeper_get(keeper)->n_vms, 2);
        cr_assert_str_eq(inventory_keeper_text(keeper), BETTER);
}

Test(inventory_keeper, without_any_there_is_none)
{
        write_list(BROKEN);
        _cleanup_(inventory_keeper_freep) struct inventory_keeper *keeper =
                inventory_keeper_new(path, folder);
        cr_assert_eq(inventory_keeper_reload(keeper, NULL), -1);
        cr_assert_eq(inventory_keeper_state(keeper), INVENTORY_NONE);
        cr_assert_null(inventory_keeper_get(keeper));
        cr_assert_null(inventory_keeper_text(keeper));
}
