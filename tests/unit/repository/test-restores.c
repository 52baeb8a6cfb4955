/* What a restore leaves beside its journal when it is killed. */
#include "repository/restores.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "base/clock.h"
#include "share-fixture.h"

#define FOLDER SHARE "/metadata/restores"

static void sweep(struct repository *repository, int64_t now)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(restores_sweep(repository, now, &error), 0, "%s", error_message(error));
}

/* A lock and a definition without a journal, and a half-written one: what is young may be in
 * use. */
Test(restores, what_a_killed_restore_left_goes_after_a_day, .fini = share_unmount)
{
        struct repository *repository = share_repository(64);
        int64_t now = clock_realtime_s();
        sweep(repository, now);
        cr_assert_eq(shell("mkdir -p " FOLDER " && cd " FOLDER " && touch 20261120-0001.lock "
                           "20261120-0001-original.xml .20261120-0001.json.17.tmp"),
                     0);
        sweep(repository, now + 3600);
        cr_assert_eq(shell("[ $(ls -A " FOLDER " | wc -l) = 3 ]"), 0);
        sweep(repository, now + 25 * 3600);
        cr_assert_eq(shell("[ $(ls -A " FOLDER " | wc -l) = 0 ]"), 0);
        repository_free(repository);
}

/* What belongs to a journal, and what nobody knows. */
Test(restores, what_belongs_to_a_journal_stays, .fini = share_unmount)
{
        struct repository *repository = share_repository(64);
        cr_assert_eq(shell("mkdir -p " FOLDER " && cd " FOLDER " && touch 20261120-0001.json "
                           "20261120-0001.lock 20261120-0001-original.xml notes.txt .hidden"),
                     0);
        sweep(repository, clock_realtime_s() + 30 * 24 * 3600);
        cr_assert_eq(shell("[ $(ls -A " FOLDER " | wc -l) = 5 ]"), 0);
        repository_free(repository);
}
