/* Which older point a refusal offers instead of one that is not whole. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "restore-fixture.h"

enum { POINTS = 4 };

/* One point each, the newest first: 'f' a full, 'i' an increment on the next older one, 'd' one
 * that is known to be damaged, 'p' one that cannot be read. The first is refused. */
struct offer_case {
        const char *points;
        size_t found_damaged;
        const char *offer; /* NULL: there is none */
};

static const struct offer_case cases[] = {
        { "ffff", 0, "p1" },
        { "fdff", 0, "p2" },
        { "fpff", 0, "p2" },
        /* an increment is no better than what it builds on */
        { "fidf", 0, "p3" },
        { "fiff", 0, "p1" },
        /* the second was just found damaged: what builds on it is not offered */
        { "iiff", 2, "p3" },
        { "ifff", 1, "p2" },
        { "fddp", 0, NULL },
        /* the oldest increment has lost its full */
        { "fddi", 0, NULL },
};

static void fill_points(struct restore *restore, const char *kinds)
{
        restore->points.items = xcalloc(POINTS, sizeof *restore->points.items);
        restore->points.count = POINTS;
        for (size_t i = 0; i < POINTS; i++) {
                struct point *point = &restore->points.items[i];
                point->name = xasprintf("p%zu", i);
                point->hypervisor = xstrdup("host-1");
                point->vm = xstrdup("vm-1");
                point->path = xasprintf("host-1/vm-1/p%zu", i);
                point->state.damaged = kinds[i] == 'd';
                point->problem = kinds[i] == 'p' ? xstrdup("no checksums") : NULL;
                point->metadata = metadata_new();
                if (kinds[i] == 'i')
                        point->metadata->parent = xasprintf("p%zu", i + 1);
        }
        restore->point = &restore->points.items[0];
}

Test(restore_chain, the_next_older_good_point_is_offered)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                const struct offer_case *c = &cases[i];
                struct restore_fixture fixture;
                _cleanup_error_ struct error *error = NULL;
                restore_fixture_init(&fixture);
                fill_points(&fixture.restore, c->points);
                const struct point *bad = &fixture.restore.points.items[c->found_damaged];
                cr_assert_eq(restore_refuse_point(&fixture.restore, bad, "torn", &error), -1);
                cr_expect_eq(error->kind, ERROR_CORRUPT);
                _cleanup_free_ char *wanted = c->offer ? xasprintf("orch restore vm-1 %s", c->offer)
                                                       : xstrdup("there is no older good point");
                cr_expect(strstr(error->message, wanted), "%s: %s", c->points, error->message);
                restore_fixture_done(&fixture);
        }
}

/* A long problem must not push out what to do about it. */
Test(restore_chain, the_offer_is_never_cut_off)
{
        struct restore_fixture fixture;
        _cleanup_error_ struct error *error = NULL;
        char problem[5000];
        memset(problem, 'x', sizeof problem - 1);
        problem[sizeof problem - 1] = '\0';
        restore_fixture_init(&fixture);
        fill_points(&fixture.restore, "ffff");
        cr_assert_eq(restore_refuse_point(&fixture.restore, NULL, problem, &error), -1);
        cr_expect(str_ends_with(error->message, "orch restore vm-1 p1"), "%s", error->message);
        cr_expect_lt(strlen(error->message), 500);
        restore_fixture_done(&fixture);
}
