/* What is known of a VM, as points come, go, and are damaged. */
#include "daemon/state/vm-states.h"

#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/strings.h"

static struct catalog_entry row(const char *vm, const char *point, int64_t started,
                                const char *status)
{
        return (struct catalog_entry){
                .vm = (char *)vm,
                .point = (char *)point,
                .path = xasprintf("hv/%s/%s", vm, point),
                .status = (char *)status,
                .started = started,
        };
}

/* Rows of "a": three points, the newest two as said; and one of "b" that is damaged. */
static void load(struct vm_states *states, struct catalog_entry rows[4], const char *newest,
                 const char *second)
{
        rows[0] = row("a", "2026-02-03-000000", 300, newest);
        rows[1] = row("a", "2026-02-02-000000", 200, second);
        rows[2] = row("b", "2026-02-01-120000", 150, "damaged");
        rows[3] = row("a", "2026-02-01-000000", 100, "ok");
        vm_states_load(states, &(struct catalog_list){ .items = rows, .count = 4 });
}

static void free_rows(struct catalog_entry rows[], size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(rows[i].path);
}

#define assert_damaged(states, expected)                                         \
        do {                                                                     \
                _cleanup_free_ char *found_ = strv_join((states)->damaged, " "); \
                cr_assert_str_eq(found_ ? found_ : "", expected);                \
        } while (0)

/* Only what is told of changes, and of the same VM. */
static void refresh(struct vm_states *states, const char *path, const char *newest,
                    const char *second)
{
        struct catalog_entry rows[3] = {
                row("a", "2026-02-03-000000", 300, newest),
                row("a", "2026-02-02-000000", 200, second),
                row("a", "2026-02-01-000000", 100, "ok"),
        };
        vm_states_refresh_point(states, "a", path,
                                &(struct catalog_list){ .items = rows, .count = 3 });
        free_rows(rows, 3);
}

Test(vm_states, damage_that_is_found_takes_the_last_good_point_and_its_repair_gives_it_back)
{
        struct vm_states states = { 0 };
        struct catalog_entry rows[4];
        load(&states, rows, "ok", "ok");
        assert_damaged(&states, "b/2026-02-01-120000");
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 300);

        refresh(&states, "hv/a/2026-02-03-000000", "damaged", "ok");
        assert_damaged(&states, "a/2026-02-03-000000 b/2026-02-01-120000");
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 200);
        refresh(&states, "hv/a/2026-02-02-000000", "damaged", "damaged");
        assert_damaged(&states, "a/2026-02-03-000000 a/2026-02-02-000000 b/2026-02-01-120000");
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 100);
        refresh(&states, "hv/a/2026-02-02-000000", "damaged", "damaged");
        assert_damaged(&states, "a/2026-02-03-000000 a/2026-02-02-000000 b/2026-02-01-120000");

        refresh(&states, "hv/a/2026-02-03-000000", "ok", "damaged");
        assert_damaged(&states, "a/2026-02-02-000000 b/2026-02-01-120000");
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 300);
        free_rows(rows, 4);
        vm_states_done(&states);
}

Test(vm_states, a_point_that_is_gone_is_forgotten)
{
        struct vm_states states = { 0 };
        struct catalog_entry rows[4];
        load(&states, rows, "ok", "damaged");
        struct catalog_entry left = row("a", "2026-02-01-000000", 100, "ok");
        vm_states_refresh_point(&states, "a", "hv/a/2026-02-02-000000",
                                &(struct catalog_list){ .items = &left, .count = 1 });
        assert_damaged(&states, "b/2026-02-01-120000");
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 300,
                     "only the point that was told of is looked at");
        vm_states_refresh_point(&states, "a", "hv/a/2026-02-03-000000",
                                &(struct catalog_list){ .items = &left, .count = 1 });
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 100);
        vm_states_forget_point(&states, "b", "2026-02-01-120000");
        assert_damaged(&states, "");
        free_rows(rows, 4);
        free(left.path);
        vm_states_done(&states);
}

Test(vm_states, a_backup_that_was_just_made_outlives_an_older_look_at_the_share)
{
        struct vm_states states = { 0 };
        struct catalog_entry rows[4];
        load(&states, rows, "ok", "ok");
        struct catalog_entry made = row("a", "2026-02-04-000000", 400, "ok");
        vm_states_note(&states, &made);
        refresh(&states, "hv/a/2026-02-03-000000", "damaged", "ok");
        cr_expect_eq(vm_states_find(&states, "a")->last_good, 400);
        free_rows(rows, 4);
        free(made.path);
        vm_states_done(&states);
}
