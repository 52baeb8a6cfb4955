/* Shares that are mounted, marked, full, read-only, or none. */
#include "repository/repository.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/strings.h"
#include "repository/marker.h"
#include "share-fixture.h"

#define UUID "6f1c1f0e-0d5c-4f0a-9d3e-1a2b3c4d5e6f"

static const struct {
        const char *text;
        const char *uuid;
        const char *error;
} markers[] = {
        { "orch repository\nformat: 1\nuuid: " UUID "\ncreated: 2026-02-01T22:00:15Z\n", UUID },
        { "orch repository\nuuid: " UUID "\nformat: 1\nsomething-new: x\n\nwords\n", UUID },
        { "orch repository\nformat: 2\nuuid: " UUID "\n", NULL, "has format 2, and this orch" },
        { "orch repository\nformat: 1\n", NULL, "no valid UUID" },
        { "orch repository\nformat: 1\nuuid: 6F1C1F0E-0d5c-4f0a-9d3e-1a2b3c4d5e6f\n", NULL,
          "no valid UUID" },
        { "orch repository\nformat: 1\nuuid: ../../../../../../../../../../etc/pas\n", NULL,
          "no valid UUID" },
        { "orch repository\nuuid: " UUID "\n", NULL, "not the marker" },
        { "borg repository\nformat: 1\nuuid: " UUID "\n", NULL, "not the marker" },
        { "", NULL, "not the marker" },
};

Test(marker, is_read_strictly)
{
        for (size_t i = 0; i < ARRAY_LENGTH(markers); i++) {
                _cleanup_error_ struct error *error = NULL;
                _cleanup_free_ char *uuid =
                        marker_parse(markers[i].text, strlen(markers[i].text), "/share", &error);
                cr_expect(streq(uuid, markers[i].uuid), "case %zu: %s", i, error_message(error));
                if (markers[i].error) {
                        cr_expect_eq(error->kind, ERROR_REFUSED);
                        cr_expect(strstr(error->message, markers[i].error), "case %zu: %s", i,
                                  error->message);
                }
        }
}

static void expect_probe_refused(const char *path, enum repository_fstype fstype, const char *words)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_repository_status_ struct repository_status status = { 0 };
        cr_assert_eq(repository_probe(path, fstype, 5000, &status, &error), -1);
        cr_expect_eq(error->kind, ERROR_REFUSED, "%s", error->message);
        cr_expect(strstr(error->message, words), "%s", error->message);
        cr_expect_null(status.path);
}

Test(repository, init_probe_open, .init = NULL, .fini = share_unmount)
{
        share_mount(32);
        expect_probe_refused(SHARE, REPOSITORY_FSTYPE_NFS, "mount of type ext4");
        expect_probe_refused(SHARE, REPOSITORY_FSTYPE_ANY, "no marker");
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *uuid = NULL;
        cr_assert_eq(repository_init(SHARE "/./", REPOSITORY_FSTYPE_ANY, &uuid, &error), 0, "%s",
                     error_message(error));
        cr_expect_eq(strlen(uuid), 36);
        cr_expect_eq(uuid[14], '4');

        struct stat st;
        cr_assert_eq(stat(SHARE "/.orch-repository", &st), 0);
        cr_expect_eq(st.st_mode & 07777, 0644);
        cr_expect_eq(
                shell("test \"$(sed -n 's/^uuid: //p' " SHARE "/.orch-repository)\" = %s", uuid),
                0);

        _cleanup_repository_status_ struct repository_status status = { 0 };
        cr_assert_eq(repository_probe(SHARE "//", REPOSITORY_FSTYPE_ANY, 5000, &status, &error), 0,
                     "%s", error_message(error));
        cr_expect_str_eq(status.path, SHARE);
        cr_expect_str_eq(status.mount_type, "ext4");
        cr_expect_str_eq(status.uuid, uuid);
        cr_expect(status.writable);
        cr_expect_gt(status.free_bytes, 1024 * 1024);
        cr_expect_geq(status.total_bytes, status.free_bytes);
        cr_expect_eq(shell("test -z \"$(find " SHARE " -name '.orch-probe*' -o -name '*.tmp')\""),
                     0);

        _cleanup_(repository_freep) struct repository *repository =
                repository_open(SHARE "/", REPOSITORY_FSTYPE_ANY, &error);
        cr_assert(repository, "%s", error_message(error));
        cr_expect_str_eq(repository_uuid(repository), uuid);
        cr_expect_str_eq(repository_path(repository), SHARE);
        cr_expect_eq(strlen(repository_short_uuid(repository)), 8);
        cr_expect(str_starts_with(uuid, repository_short_uuid(repository)));
}

Test(repository, init_is_refused_where_a_marker_is, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_free_ char *uuid = NULL;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(repository_init(SHARE, REPOSITORY_FSTYPE_ANY, &uuid, &error), -1);
        cr_expect_eq(error->kind, ERROR_REFUSED);
        cr_expect(strstr(error->message, repository_uuid(repository)), "%s", error->message);

        /* The same when it appeared after the probe. */
        _cleanup_close_ int fd = open(SHARE, O_RDONLY | O_DIRECTORY);
        _cleanup_error_ struct error *race = NULL;
        cr_assert_null(marker_create(fd, SHARE, 0, &race));
        cr_expect_eq(race->kind, ERROR_REFUSED);
        cr_expect(strstr(race->message, repository_uuid(repository)), "%s", race->message);
        cr_expect_eq(shell("test \"$(ls -A " SHARE ")\" = '.orch-repository\nlost+found'"), 0);
}

Test(repository, an_unmounted_path_is_refused_and_stays_empty, .fini = share_unmount)
{
        share_mount(32);
        share_unmount();
        cr_assert_eq(shell("mkdir -p " SHARE), 0);
        _cleanup_free_ char *uuid = NULL;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(repository_init(SHARE, REPOSITORY_FSTYPE_ANY, &uuid, &error), -1);
        cr_expect_eq(error->kind, ERROR_REFUSED);
        cr_expect_str_eq(error->message,
                         SHARE " is not a mount point (the share is not mounted; mount it first)");
        cr_expect_eq(shell("rmdir " SHARE), 0);
        expect_probe_refused(SHARE, REPOSITORY_FSTYPE_ANY, "is not a mount point");
        _cleanup_error_ struct error *open_error = NULL;
        cr_expect_null(repository_open(SHARE, REPOSITORY_FSTYPE_ANY, &open_error));
        cr_expect_eq(open_error->kind, ERROR_REFUSED);
}

Test(repository, a_relative_path_is_a_mistake_of_the_settings)
{
        _cleanup_error_ struct error *error = NULL;
        struct repository_status status = { 0 };
        cr_assert_eq(repository_probe("mnt/backup", REPOSITORY_FSTYPE_ANY, 5000, &status, &error),
                     -1);
        cr_expect_eq(error->kind, ERROR_CONFIG);
}

Test(repository, a_read_only_share_can_be_opened_but_does_not_pass_the_probe, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *first = share_repository(32);
        cr_assert_eq(shell("mount -o remount,ro " SHARE), 0);
        expect_probe_refused(SHARE, REPOSITORY_FSTYPE_ANY, "read-only");
        _cleanup_(repository_freep) struct repository *repository =
                repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        cr_expect(repository);
}

Test(repository, a_full_share_is_told_as_such_and_can_be_opened, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *first = share_repository(8);
        shell("dd if=/dev/zero of=" SHARE "/filler bs=64k 2>/dev/null; dd if=/dev/zero of=" SHARE
              "/filler2 bs=1k 2>/dev/null; true");
        _cleanup_error_ struct error *error = NULL;
        _cleanup_repository_status_ struct repository_status status = { 0 };
        cr_assert_eq(repository_probe(SHARE, REPOSITORY_FSTYPE_ANY, 5000, &status, &error), -1);
        cr_expect_eq(error->kind, ERROR_NOSPACE, "%s", error->message);
        _cleanup_(repository_freep) struct repository *repository =
                repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        cr_expect(repository);
}

Test(repository, a_share_that_hangs_costs_the_deadline_and_no_more, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        share_freeze();
        _cleanup_error_ struct error *error = NULL;
        _cleanup_repository_status_ struct repository_status status = { 0 };
        int64_t before = clock_monotonic_ms();
        int r = repository_probe(SHARE, REPOSITORY_FSTYPE_ANY, 700, &status, &error);
        int64_t took = clock_monotonic_ms() - before;
        /* Reading goes on while writers hang, so an open does too. */
        _cleanup_(repository_freep) struct repository *second =
                repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        share_thaw();

        cr_assert_eq(r, -1);
        cr_expect_eq(error->kind, ERROR_TIMEOUT, "%s", error->message);
        cr_expect(strstr(error->message, "the write test took longer than 0.7 s"), "%s",
                  error->message);
        siginfo_t left = { 0 };
        for (int i = 0; i < 250 && waitid(P_ALL, 0, &left, WEXITED | WNOHANG | WNOWAIT) == 0; i++)
                usleep(20000);
        cr_expect_eq(left.si_pid, 0, "the process that hung has ended, and nobody has reaped it");
        cr_expect_lt(took, 3000);
        cr_expect(second);
        cr_expect_eq(repository_probe(SHARE, REPOSITORY_FSTYPE_ANY, 5000, &status, NULL), 0,
                     "it answers again after the thaw");
}

Test(repository, test_files_of_killed_probes_go_after_a_while, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        cr_assert_eq(shell("cd " SHARE
                           " && touch -d '2 hours ago' .orch-probe-old && touch .orch-probe-new"),
                     0);
        _cleanup_repository_status_ struct repository_status status = { 0 };
        cr_assert_eq(repository_probe(SHARE, REPOSITORY_FSTYPE_ANY, 5000, &status, NULL), 0);
        cr_expect_neq(access(SHARE "/.orch-probe-old", F_OK), 0);
        cr_expect_eq(access(SHARE "/.orch-probe-new", F_OK), 0);
}
