/* When a message is tried again. */
#include "notify/backoff.h"

#include "fixture.h"

Test(backoff, quick_at_first_then_ever_more_seldom)
{
        cr_assert_eq(backoff_ms(1, 0), 2000);
        cr_assert_eq(backoff_ms(4, 0), 16000);
        cr_assert_eq(backoff_ms(5, 0), 30000);
        cr_assert_eq(backoff_ms(95, 0), 300000);
        cr_assert_eq(backoff_ms(4000000000U, 0), 300000);
        for (unsigned i = 1; i < 200; i++)
                cr_assert_geq(backoff_ms(i + 1, 0), backoff_ms(i, 0));
}

Test(backoff, never_before_the_server_wants_it)
{
        cr_assert_eq(backoff_ms(1, 77), 77000);
        cr_assert_eq(backoff_ms(95, 77), 300000);
}

Test(backoff, a_day_has_room_for_many_tries)
{
        int64_t ms = 0;
        unsigned attempts = 0;
        while (ms < BACKOFF_GIVE_UP_SECONDS * 1000)
                ms += backoff_ms(++attempts, 0);
        cr_assert_gt(attempts, 200);
}
