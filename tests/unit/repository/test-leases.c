/* Who reads a point now, and readers that died. */
#include "repository/leases.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "share-fixture.h"

enum { STARTED = 1769983215, A_DAY = 24 * 3600 };
#define VM SHARE "/host-1/vm-1"
#define JOB "20261120-3f9a"
#define LEASE VM "/.reading-" JOB

static struct lease *take(struct repository *repository, const char *first, const char *second,
                          enum lease_life life)
{
        _cleanup_error_ struct error *error = NULL;
        char *const points[] = { (char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL };
        struct lease *lease = lease_take(repository, "host-1", "vm-1", points, JOB, life, &error);
        cr_assert(lease, "%s", error_message(error));
        return lease;
}

static void stays(struct repository *repository, const char *point)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(points_remove(repository, "host-1", "vm-1", point, &error), -1);
        cr_assert_eq(error->kind, ERROR_BUSY, "%s", error->message);
        cr_assert_eq(shell("test -d " VM "/%s", point), 0);
}

static size_t sweep(struct repository *repository, int64_t now, bool dry_run)
{
        size_t removed = 99;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(leases_sweep(repository, "host-1", "vm-1", now, dry_run, &removed, &error), 0,
                     "%s", error_message(error));
        return removed;
}

Test(leases, what_is_read_and_its_parents_stay_until_the_end, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *parent = publish_sample(repository, STARTED);
        _cleanup_free_ char *point = publish_sample(repository, STARTED + A_DAY);
        _cleanup_free_ char *other = publish_sample(repository, STARTED + 2 * A_DAY);
        struct lease *lease = take(repository, point, parent, LEASE_OF_PROCESS);
        stays(repository, point);
        stays(repository, parent);
        cr_assert_eq(points_remove(repository, "host-1", "vm-1", other, NULL), 0);
        cr_assert_eq(shell("test ! -e " VM "/%s", other), 0);
        cr_assert_eq(lease_renew(lease, NULL), 0);
        lease_release(lease);
        cr_assert_eq(shell("test ! -e " LEASE), 0);
        cr_assert_eq(points_remove(repository, "host-1", "vm-1", point, NULL), 0);
}

Test(leases, a_point_that_is_gone_cannot_be_leased, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *point = publish_sample(repository, STARTED);
        char *const points[] = { point, (char *)(uintptr_t) "2026-01-01-000000", NULL };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(
                lease_take(repository, "host-1", "vm-1", points, JOB, LEASE_OF_PROCESS, &error));
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert(strstr(error->message, "2026-01-01-000000"), "%s", error->message);
        cr_assert_eq(shell("test ! -e " LEASE), 0);
}

Test(leases, that_of_a_process_that_died_is_swept_and_that_of_a_live_one_not, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *point = publish_sample(repository, STARTED);
        int64_t now = clock_realtime_s();
        pid_t pid = fork();
        if (pid == 0) {
                (void)!take(repository, point, NULL, LEASE_OF_PROCESS);
                _exit(0);
        }
        waitpid(pid, NULL, 0);
        stays(repository, point);
        cr_assert_eq(sweep(repository, now, true), 1);
        stays(repository, point);
        cr_assert_eq(sweep(repository, now, false), 1);
        struct lease *lease = take(repository, point, NULL, LEASE_OF_PROCESS);
        cr_assert_eq(sweep(repository, now + 30 * A_DAY, false), 0);
        stays(repository, point);
        lease_free(lease);
        cr_assert_eq(sweep(repository, now, false), 1);
        cr_assert_eq(points_remove(repository, "host-1", "vm-1", point, NULL), 0);
}

Test(leases, one_that_outlives_its_process_is_dropped_by_its_job_or_by_age, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *point = publish_sample(repository, STARTED);
        int64_t now = clock_realtime_s();
        lease_free(take(repository, point, NULL, LEASE_UNTIL_DROPPED));
        cr_assert_eq(sweep(repository, now, false), 0);
        stays(repository, point);
        cr_assert_eq(leases_drop(repository, "host-1", "vm-1", "20261120-0000", NULL), 0);
        stays(repository, point);
        cr_assert_eq(leases_drop(repository, "host-1", "vm-1", JOB, NULL), 0);
        cr_assert_eq(leases_drop(repository, "host-1", "no-such-vm", JOB, NULL), 0);
        lease_free(take(repository, point, NULL, LEASE_UNTIL_DROPPED));
        cr_assert_eq(sweep(repository, now + 6 * A_DAY, false), 0);
        cr_assert_eq(shell("touch -d '8 days ago' " LEASE), 0);
        cr_assert_eq(leases_renew(repository, "host-1", "vm-1", JOB, NULL), 0);
        stays(repository, point);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(leases_renew(repository, "host-1", "vm-1", "20261120-0000", &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert_eq(shell("touch -d '8 days ago' " LEASE), 0);
        cr_assert_eq(points_remove(repository, "host-1", "vm-1", point, NULL), 0);
        cr_assert_eq(sweep(repository, now, false), 1);
}

Test(leases, one_that_cannot_be_read_speaks_for_every_point, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *point = publish_sample(repository, STARTED);
        cr_assert_eq(shell("echo torn > " LEASE), 0);
        stays(repository, point);
}

/* No answer is not the answer that nobody reads. */
Test(leases, one_that_the_share_does_not_tell_of_counts, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *point = publish_sample(repository, STARTED);
        struct lease *lease = take(repository, point, NULL, LEASE_OF_PROCESS);
        share_refuse(__NR_fcntl, 1, F_OFD_GETLK, ENOLCK);
        cr_expect_eq(sweep(repository, clock_realtime_s(), false), 0);
        cr_expect_eq(shell("test -e " LEASE), 0);
        share_refuse(__NR_newfstatat, 3, AT_SYMLINK_NOFOLLOW, EIO);
        stays(repository, point);
        cr_expect_eq(sweep(repository, clock_realtime_s(), false), 0);
        lease_release(lease);
}
