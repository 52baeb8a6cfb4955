/* The definition that a restored machine gets: its addresses, and where its cards lead. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "restore-fixture.h"

#define OLD_ADDRESS "52:54:00:00:00:01"

struct define_case {
        const char *name;
        bool beside;
        enum original_state original;
        bool addresses_taken;
        const char *network; /* as on the command line; NULL: not given */
        bool has_card;
        bool keeps_address;
        const char *leads_to; /* the network; NULL: none */
};

static const struct define_case cases[] = {
        { "the original comes back as it was", .has_card = true, .keeps_address = true,
          .leads_to = "office" },
        { "beside the original: no card", .beside = true, .original = ORIGINAL_PRESENT },
        { "beside it, with a card: an address of its own", .beside = true,
          .original = ORIGINAL_PRESENT, .network = "keep", .has_card = true, .leads_to = "office" },
        { "beside one that may run: an address of its own", .beside = true,
          .original = ORIGINAL_UNKNOWN, .network = "lab", .has_card = true, .leads_to = "lab" },
        { "another name for one that is gone: its address is free", .beside = true,
          .network = "keep", .has_card = true, .keeps_address = true, .leads_to = "office" },
        { "unless somebody has it", .beside = true, .addresses_taken = true, .network = "keep",
          .has_card = true, .leads_to = "office" },
        { "a network for another", .network = "office=lab", .has_card = true, .keeps_address = true,
          .leads_to = "lab" },
        { "none", .network = "none" },
};

static void judge_definition(const struct define_case *c)
{
        struct restore_fixture fixture;
        _cleanup_error_ struct error *error = NULL;
        restore_fixture_init(&fixture);
        struct restore *restore = &fixture.restore;
        if (c->beside)
                restore_fixture_beside(&fixture, "look");
        restore->original = c->original;
        restore->addresses_taken = c->addresses_taken;
        if (c->network)
                strv_add(&restore->options.network, c->network);
        cr_assert_eq(restore_plan(restore, &error), 0, "%s", error_message(error));
        cr_assert_eq(restore_make_definition(restore, false, &error), 0, "%s: %s", c->name,
                     error_message(error));
        const char *made = restore->definition;
        _cleanup_free_ char *network =
                xasprintf("network=\"%s\"", c->leads_to ? c->leads_to : "office");
        cr_expect_eq(strstr(made, "<interface") != NULL, c->has_card, "%s: %s", c->name, made);
        cr_expect_eq(restore_drops_cards(restore), !c->has_card, "%s", c->name);
        cr_expect_eq(strstr(made, OLD_ADDRESS) != NULL, c->keeps_address, "%s: %s", c->name, made);
        cr_expect_eq(strstr(made, network) != NULL, c->has_card, "%s: %s", c->name, made);
        cr_expect_eq(strstr(made, FIXTURE_UUID) != NULL, !c->beside, "%s: %s", c->name, made);
        restore_fixture_done(&fixture);
}

Test(restore_define, each_case_has_its_cards_and_addresses)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_definition(&cases[i]);
}

/* A card that was meant must not stay where it was because of a slip in its network's name. */
Test(restore_define, a_network_that_the_machine_has_not_is_refused)
{
        struct restore_fixture fixture;
        _cleanup_error_ struct error *error = NULL;
        restore_fixture_init(&fixture);
        strv_add(&fixture.restore.options.network, "offcie=lab");
        cr_assert_eq(restore_plan(&fixture.restore, NULL), 0);
        cr_expect_eq(restore_make_definition(&fixture.restore, false, &error), -1);
        cr_expect_eq(error->kind, ERROR_CONFIG);
        cr_expect(strstr(error->message, "office"), "%s", error->message);
        restore_fixture_done(&fixture);
}
