/* Which VMs a list of words means. */
#include "daemon/api/choose-vms.h"

#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/strings.h"

static struct inventory_vm vms[] = { { .name = (char *)"web-1" },
                                     { .name = (char *)"db-1" },
                                     { .name = (char *)"web-2" } };
static const struct inventory inventory = { .file = (char *)"vm-list.yaml",
                                            .vms = vms,
                                            .n_vms = ARRAY_LENGTH(vms) };

/* "web-1 db-1", or "?word" when that means none; the caller frees. */
static char *chosen_by(const char *first, const char *second)
{
        _cleanup_strv_ char **words = NULL;
        _cleanup_strv_ char **chosen = NULL;
        if (first)
                strv_add(&words, first);
        if (second)
                strv_add(&words, second);
        const char *unknown = choose_vms(&inventory, words, &chosen);
        return unknown ? xasprintf("?%s", unknown) : strv_join(chosen, " ");
}

#define assert_chosen(expected, first, second)                           \
        do {                                                             \
                _cleanup_free_ char *chosen_ = chosen_by(first, second); \
                cr_assert_str_eq(chosen_, expected);                     \
        } while (0)

Test(choose_vms, each_once_in_the_order_of_the_words)
{
        assert_chosen("db-1 web-1", "db-1", "web-1");
        assert_chosen("web-1 web-2", "web-*", "web-1");
        assert_chosen("web-2 web-1", "web-2", "web-?");
        assert_chosen("db-1", "d[b]-1", NULL);
}

Test(choose_vms, no_word_means_all)
{
        assert_chosen("web-1 db-1 web-2", NULL, NULL);
}

Test(choose_vms, the_first_word_that_means_none_is_told)
{
        assert_chosen("?web", "db-1", "web");
        assert_chosen("?mail-*", "mail-*", "nobody");
}

Test(choose_vms, among_no_names_each_word_means_none)
{
        char *const words[] = { (char *)"*", NULL };
        _cleanup_strv_ char **chosen = NULL;
        cr_assert_eq(choose_names(NULL, words, &chosen), words[0]);
        cr_assert_null(choose_names(NULL, NULL, &chosen));
        cr_assert_null(chosen);
}

Test(choose_vms, an_unknown_one_is_told_with_its_nearest)
{
        _cleanup_error_ struct error *near = NULL;
        _cleanup_error_ struct error *far = NULL;
        cr_assert_eq(choose_unknown_vm(&inventory, "bd-1", &near), -1);
        cr_assert_str_eq(near->message,
                         "no VM 'bd-1' in the inventory vm-list.yaml; nearest: 'db-1'");
        cr_assert_eq(choose_unknown_vm(&inventory, "mail\nserver", &far), -1);
        cr_assert_str_eq(far->message, "no VM 'mail server' in the inventory vm-list.yaml");
        cr_assert_eq(far->kind, ERROR_CONFIG);
}
