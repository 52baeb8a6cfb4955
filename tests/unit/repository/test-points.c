/* Points on a share, with junk around them, and their state. */
#include "repository/points.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "share-fixture.h"

enum { STARTED = 1769983215 };
#define VM SHARE "/host-1/vm-1"

Test(points, names_are_read_strictly)
{
        static const struct {
                const char *name;
                bool valid;
        } cases[] = {
                { "2026-02-01-220015", true },
                { "2024-02-29-000000", true },
                { "2026-12-31-235959", true },
                { "2026-02-29-000000", false },
                { "2026-13-01-000000", false },
                { "2026-01-01-240000", false },
                { "2026-01-01-006000", false },
                { "2026-01-01-000060", false },
                { "2026-02-01-22001", false },
                { "2026-02-01-2200150", false },
                { "2026-02-01 220015", false },
                { " 026-02-01-220015", false },
                { "2026-02-01-+20015", false },
                { ".026-02-01-220015", false },
                { "latest", false },
                { "", false },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                cr_expect_eq(point_name_parse(cases[i].name, NULL), cases[i].valid, "%s",
                             cases[i].name);
}

Test(points, are_found_newest_first_with_junk_around, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (int i = 0; i < 3; i++)
                free(publish_sample(repository, STARTED + i * 86400));
        cr_assert_eq(shell("cd " SHARE " && mkdir -p metadata/vm-9/2026-02-01-220015 "
                           ".snapshot/vm-1/2026-02-01-220015 'host 2/vm' "
                           "empty/vm host-1/.snapshot && "
                           "cd host-1 && ln -s vm-1 vm-link && ln -s /etc etc && echo x >file && "
                           "cd vm-1 && mkdir .staging-x .removing-2026-01-01-000000 latest "
                           "2026-02-31-000000 other && echo x "
                           ">2026-01-01-000000 && "
                           "ln -s 2026-02-01-220015 2026-01-02-000000 && ln -s 2026-02-01-220015 "
                           "latest-link"),
                     0);
        _cleanup_point_list_ struct point_list all = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(points_scan_all(repository, &all, &error), 0, "%s", error_message(error));
        cr_assert_eq(all.count, 3);
        for (size_t i = 0; i < all.count; i++) {
                cr_expect_null(all.items[i].problem, "%s: %s", all.items[i].path,
                               all.items[i].problem);
                cr_expect_str_eq(all.items[i].vm, "vm-1");
                cr_expect_str_eq(all.items[i].hypervisor, "host-1");
                cr_assert(all.items[i].metadata);
        }
        _cleanup_point_list_ struct point_list one = { 0 };
        cr_assert_eq(points_scan_vm(repository, "host-1", "vm-1", &one, &error), 0);
        cr_assert_eq(one.count, 3);
        cr_expect_str_eq(one.items[0].name, "2026-02-03-220015");
        cr_expect_str_eq(one.items[2].path, "host-1/vm-1/2026-02-01-220015");
        _cleanup_point_list_ struct point_list none = { 0 };
        cr_expect_eq(points_scan_vm(repository, "host-1", "vm-2", &none, NULL), 0);
        cr_expect_eq(points_scan_vm(repository, "host-2", "vm-1", &none, NULL), 0);
        cr_expect_eq(points_scan_vm(repository, "host-1", "vm-link", &none, NULL), 0);
        cr_expect_eq(none.count, 0);
}

Test(points, order_is_by_started_and_not_by_name, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (int i = 0; i < 2; i++)
                free(publish_sample(repository, STARTED + i * 3600));
        cr_assert_eq(shell("sed -i 's/\"started\": \"[^\"]*\"/\"started\": "
                           "\"2027-01-01T00:00:00Z\"/' " VM
                           "/2026-02-01-220015/backup-metadata.json"),
                     0);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_vm(repository, "host-1", "vm-1", &list, NULL), 0);
        cr_expect_str_eq(list.items[0].name, "2026-02-01-220015");
        cr_expect_str_eq(list.items[1].name, "2026-02-01-230015");
}

static const struct {
        const char *command; /* run in the point's folder */
        const char *words;
        bool metadata; /* is it still there? */
        bool held;
        bool uncertain;
} damages[] = {
        { "rm backup-metadata.json", "backup-metadata.json", false, false, false },
        { "echo '{' >backup-metadata.json", "backup-metadata.json", false, false, false },
        { "sed -i 's/\"format\": 1/\"format\": 2/' backup-metadata.json", "format", false, false,
          true },
        { "ln -sf /etc/passwd backup-metadata.json", "backup-metadata.json", false, false, false },
        { "truncate -s 17M backup-metadata.json", "larger than", false, false, false },
        { "sed -i 's/\"vm\": \"vm-1\"/\"vm\": \"vm-2\"/' backup-metadata.json",
          "is that of host-1/vm-2/", false, false, false },
        { "sed -i 's/\"hypervisor\": \"host-1\"/\"hypervisor\": \"host-2\"/' backup-metadata.json",
          "is that of host-2/vm-1/", false, false, false },
        { "cd .. && mv 2026-02-01-220015 2026-02-02-000000",
          "is that of host-1/vm-1/2026-02-01-220015", false, false, false },
        { "sed -i 's/\"status\": \"ok\"/\"status\": \"failed\"/' backup-metadata.json",
          "job that made no point", false, false, false },
        { "rm vm-1-vda.qcow2", "vm-1-vda.qcow2 cannot be found", true, false, false },
        { "truncate -s 5 vm-1-vda.qcow2", "vm-1-vda.qcow2 has 5 bytes, expected", true, false,
          false },
        { "ln -sf /etc/passwd vm-1-vda.qcow2", "not a regular file", true, false, false },
        { "echo x >state.json", "state.json cannot be read", true, true, true },
        { "rm state.json; mkdir state.json", "state.json cannot be read", true, true, true },
        { "echo x >state.json; rm backup-metadata.json", "state.json cannot be read", false, true,
          false },
        { "echo x >state.json; cd .. && mv 2026-02-01-220015 2026-02-02-000000",
          "state.json cannot be read", false, true, false },
};

Test(points, a_damaged_one_is_listed_as_such_and_hides_no_other, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        free(publish_sample(repository, STARTED + 86400));
        for (size_t i = 0; i < ARRAY_LENGTH(damages); i++) {
                _cleanup_free_ char *name = publish_sample(repository, STARTED);
                cr_assert_eq(shell("cd " VM "/%s && %s", name, damages[i].command), 0);
                _cleanup_point_list_ struct point_list list = { 0 };
                cr_assert_eq(points_scan_all(repository, &list, NULL), 0);
                cr_assert_eq(list.count, 2, "case %zu", i);
                cr_expect_null(list.items[0].problem);
                const struct point *point = &list.items[1];
                cr_assert(point->problem, "case %zu", i);
                cr_expect(strstr(point->problem, damages[i].words), "case %zu: %s", i,
                          point->problem);
                cr_expect_eq(point->metadata != NULL, damages[i].metadata, "case %zu", i);
                cr_expect(point->state.damaged && point->state.damage, "case %zu", i);
                cr_expect_eq(point->state.held, damages[i].held, "case %zu", i);
                cr_expect_eq(point->uncertain, damages[i].uncertain, "case %zu", i);
                cr_assert_eq(shell("rm -r " VM "/%s", point->name), 0);
        }
}

/* What the share refuses to tell for a moment is no reason to remove anything. */
Test(points, a_disk_that_the_share_does_not_tell_of_may_be_whole, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        free(publish_sample(repository, STARTED));
        share_refuse(__NR_newfstatat, 3, AT_SYMLINK_NOFOLLOW, EIO);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_vm(repository, "host-1", "vm-1", &list, NULL), 0);
        cr_assert_eq(list.count, 1);
        cr_expect(list.items[0].problem && list.items[0].state.damaged && list.items[0].metadata);
        cr_expect(list.items[0].uncertain);
}

Test(points, state_is_written_and_read_back, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        free(publish_sample(repository, STARTED));
        struct point_state state = { .held = true,
                                     .held_reason = (char *)"before the upgrade",
                                     .verified = 1770000000 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(
                points_write_state(repository, "host-1/vm-1/2026-02-01-220015", &state, &error), 0,
                "%s", error_message(error));
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_all(repository, &list, NULL), 0);
        cr_assert_eq(list.count, 1);
        const struct point *point = &list.items[0];
        cr_expect_str_eq(point->path, "host-1/vm-1/2026-02-01-220015");
        cr_expect_null(point->problem);
        cr_expect(point->state.held);
        cr_expect_str_eq(point->state.held_reason, "before the upgrade");
        cr_expect_eq(point->state.verified, 1770000000);
        cr_expect_eq(shell("cd " VM
                           "/2026-02-01-220015 && sha256sum -c --quiet --strict checksums.sha256"),
                     0);
        static const char *const paths[] = { "host-1/vm-1/2026-02-01-220016",
                                             "host-1/vm-1",
                                             "../x/2026-02-01-220015",
                                             "host-1/vm-1/2026-02-01-220015/configs",
                                             "/etc/passwd",
                                             "",
                                             "host-1/vm-1/latest" };
        for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
                cr_expect_eq(points_write_state(repository, paths[i], &state, NULL), -1, "%s",
                             paths[i]);
}

static void hold(struct point_state *state, void *data)
{
        state->held = true;
        xstrdup_replace(&state->held_reason, data);
}

static void mark_verified(struct point_state *state, void *data)
{
        state->verified = *(int64_t *)data;
}

/* Two who change different things of one point: neither undoes the other. */
Test(points, changes_of_a_state_are_put_on_what_is_there, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        free(publish_sample(repository, STARTED));
        int64_t now = 1770000000;
        _cleanup_error_ struct error *error = NULL;
        static const char path[] = "host-1/vm-1/2026-02-01-220015";
        cr_assert_eq(points_change_state(repository, path, hold, (char *)"kept", NULL, &error), 0,
                     "%s", error_message(error));
        _cleanup_point_state_ struct point_state written = { 0 };
        cr_assert_eq(points_change_state(repository, path, mark_verified, &now, &written, &error),
                     0, "%s", error_message(error));
        cr_expect(written.held && written.verified == now);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_read(repository, path, &list, &error), 0, "%s", error_message(error));
        cr_assert_eq(list.count, 1);
        cr_expect(list.items[0].state.held && list.items[0].state.verified == now);
        cr_expect_str_eq(list.items[0].state.held_reason, "kept");

        cr_assert_eq(shell("echo nonsense > " VM "/2026-02-01-220015/state.json"), 0);
        point_state_done(&written);
        cr_assert_eq(points_change_state(repository, path, mark_verified, &now, &written, &error),
                     0, "%s", error_message(error));
        cr_expect(written.held, "what cannot be read may have been a hold");
}

/* What is known of the point would be lost: that it is damaged, who holds it, that it was seen to
 * boot. */
Test(points, a_state_that_cannot_be_understood_now_is_not_replaced, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        free(publish_sample(repository, STARTED));
        int64_t now = 1770000000;
        static const char path[] = "host-1/vm-1/2026-02-01-220015";
        cr_assert_eq(
                shell("echo '{\"format\": 2, \"held\": 5}' > " VM "/2026-02-01-220015/state.json"),
                0);
        _cleanup_error_ struct error *newer = NULL;
        cr_expect_eq(points_change_state(repository, path, mark_verified, &now, NULL, &newer), -1);
        cr_expect(newer && newer->kind == ERROR_REFUSED && strstr(newer->message, "newer orch"),
                  "%s", error_message(newer));
        cr_expect_eq(shell("grep -q 'format.: 2' " VM "/2026-02-01-220015/state.json"), 0);

        cr_assert_eq(points_write_state(repository, path, &(struct point_state){ .damaged = true },
                                        NULL),
                     0);
        share_refuse(__NR_openat, 2, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, EIO);
        _cleanup_error_ struct error *refused = NULL;
        cr_expect_eq(points_change_state(repository, path, mark_verified, &now, NULL, &refused),
                     -1);
        cr_expect(refused && strstr(refused->message, "state.json"), "%s", error_message(refused));
}

Test(points, one_point_is_read_by_its_path, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        free(publish_sample(repository, STARTED));
        static const char *const none[] = { "host-1/vm-1/2026-02-01-220016",
                                            "host-1/vm-2/2026-02-01-220015",
                                            "host-2/vm-1/2026-02-01-220015" };
        for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
                _cleanup_point_list_ struct point_list list = { 0 };
                cr_assert_eq(points_read(repository, none[i], &list, NULL), 0);
                cr_expect_eq(list.count, 0, "%s", none[i]);
        }
        struct point_list untouched = { 0 };
        cr_expect_eq(points_read(repository, "host-1/vm-1/latest", &untouched, NULL), -1);
        cr_expect_eq(points_read(repository, "../vm-1/2026-02-01-220015", &untouched, NULL), -1);
}

Test(points, removal_takes_one_and_what_earlier_removals_left, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (int i = 0; i < 2; i++)
                free(publish_sample(repository, STARTED + i * 86400));
        cr_assert_eq(shell("cd " VM " && mkdir -p .removing-2026-01-01-000000/deep "
                           ".removing-2026-02-01-220015/full && mkdir /mnt/outside && "
                           "touch /mnt/outside/kept && ln -s /mnt/outside 2026-02-01-220015/link "
                           "&& ln -s /mnt/outside .removing-link"),
                     0);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(points_remove(repository, "host-1", "vm-1", "2026-02-01-220015", &error), 0,
                     "%s", error_message(error));
        cr_expect_eq(shell("test \"$(ls -A " VM ")\" = 2026-02-02-220015"), 0);
        cr_expect_eq(access("/mnt/outside/kept", F_OK), 0, "links are not followed");
        cr_expect_eq(points_remove(repository, "host-1", "vm-1", "2026-02-01-220015", NULL), 0,
                     "again is fine");
        cr_expect_eq(points_remove(repository, "host-1", "vm-9", "2026-02-01-220015", NULL), 0);
        static const char *const names[] = { "..", ".", "", "2026-02-02-220015/configs", "latest" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                cr_expect_eq(points_remove(repository, "host-1", "vm-1", names[i], NULL), -1, "%s",
                             names[i]);
        cr_expect_eq(access(VM "/2026-02-02-220015/vm-1.xml", F_OK), 0);
}

Test(points, verification_finds_what_changed, .fini = share_unmount)
{
        static const struct {
                const char *command;
                const char *words;
        } cases[] = {
                { "printf x | dd of=vm-1-vda.qcow2 bs=1 seek=70000 conv=notrunc status=none",
                  "vm-1-vda.qcow2 is damaged: its SHA-256 is" },
                { "rm configs/version.txt", "configs/version.txt is missing" },
                { "truncate -s 5 vm-1.xml", "vm-1.xml is damaged" },
                { "rm checksums.sha256", "checksums.sha256 is missing" },
                { ": >checksums.sha256", "is empty" },
                { "sed -i /vda/d checksums.sha256", "does not list vm-1-vda.qcow2" },
                { "sed -i /metadata/d checksums.sha256", "does not list backup-metadata.json" },
                { "sed -i 's|vm-1.xml|../../vm-1.xml|' checksums.sha256",
                  "not a path that orch makes" },
                { "mv vm-1.xml x && ln -s x vm-1.xml", "symbolic link" },
        };
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *name = publish_sample(repository, STARTED);
                _cleanup_free_ char *path = xasprintf("host-1/vm-1/%s", name);
                _cleanup_error_ struct error *before = NULL;
                cr_assert_eq(points_verify_checksums(repository, path, &before), 0, "%s",
                             error_message(before));
                cr_assert_eq(shell("cd " SHARE "/%s && %s", path, cases[i].command), 0);
                _cleanup_error_ struct error *error = NULL;
                cr_assert_eq(points_verify_checksums(repository, path, &error), -1, "case %zu", i);
                cr_expect_eq(error->kind, ERROR_CORRUPT, "case %zu: %s", i, error->message);
                cr_expect(strstr(error->message, cases[i].words), "case %zu: %s", i,
                          error->message);
                cr_assert_eq(shell("rm -r " SHARE "/%s", path), 0);
        }
}

Test(points, failures_are_kept_private_and_for_90_days, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata("2026-02-01-220015");
        xstrdup_replace(&metadata->status, "failed");
        metadata->error = xstrdup("the agent is mute");
        cr_assert_eq(shell("mkdir " SHARE "/metadata && mkdir -m 0700 " SHARE
                           "/metadata/failed && mkdir -p " SHARE "/metadata/failed/old/deep " SHARE
                           "/metadata/failed/young && touch " SHARE
                           "/metadata/failed/plain-file && "
                           "touch -d '2026-01-01 00:00 UTC' " SHARE
                           "/metadata/failed/old && touch -d '2026-01-03 00:00 UTC' " SHARE
                           "/metadata/failed/young"),
                     0);
        int64_t now = 1767225600 + 91 * 86400; /* 91 days after 1 January 2026 */
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(
                points_record_failure(repository, "20260402-1", metadata, "line 1\n", now, &error),
                0, "%s", error_message(error));
        cr_expect_eq(shell("cd " SHARE "/metadata/failed && test ! -e old && test -d young && test "
                           "-f plain-file && test \"$(cat "
                           "20260402-1/backup.log)\" = 'line 1' "
                           "&& test \"$(stat -c %%a . 20260402-1 20260402-1/backup.log "
                           "20260402-1/backup-metadata.json | tr '\\n' "
                           "' ')\" = '700 700 600 600 ' && "
                           "grep -q 'agent is mute' 20260402-1/backup-metadata.json"),
                     0);
        cr_expect_eq(points_record_failure(repository, "20260402-1", metadata, NULL, now, NULL), 0,
                     "a second time is fine");
        cr_expect_eq(points_record_failure(repository, "../x", metadata, NULL, now, NULL), -1);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_all(repository, &list, NULL), 0);
        cr_expect_eq(list.count, 0);
}

Test(failures, are_read_back_and_what_is_none_is_left_out, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_error_ struct error *error = NULL;
        struct failure_list none = { 0 };
        cr_assert_eq(points_scan_failures(repository, &none, &error), 0, "there is no folder yet");
        cr_assert_eq(none.count, 0);

        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata("2026-02-01-220015");
        xstrdup_replace(&metadata->status, "failed");
        xstrdup_replace(&metadata->point, NULL);
        xstrdup_replace(&metadata->error, "no room");
        xstrdup_replace(&metadata->error_kind, "nospace");
        const char *const jobs[] = { "20260201-1", "20260201-2", "20260201-another" };
        for (size_t i = 0; i < ARRAY_LENGTH(jobs); i++) {
                xstrdup_replace(&metadata->job, i < 2 ? jobs[i] : "20260201-1");
                cr_assert_eq(points_record_failure(repository, jobs[i], metadata, "log\n",
                                                   clock_realtime_s(), &error),
                             0, "%s", error_message(error));
        }
        cr_assert_eq(shell("cd " SHARE "/metadata/failed && mkdir empty garbage && echo '{' > "
                           "garbage/backup-metadata.json && touch file && "
                           "ln -s 20260201-1 link"),
                     0);
        _cleanup_failure_list_ struct failure_list found = { 0 };
        cr_assert_eq(points_scan_failures(repository, &found, &error), 0, "%s",
                     error_message(error));
        cr_assert_eq(found.count, 2, "%zu", found.count);
        for (size_t i = 0; i < 2; i++) {
                cr_expect_str_eq(found.items[i]->job, jobs[i]);
                cr_expect_str_eq(found.items[i]->error, "no room");
                cr_expect_str_eq(found.items[i]->error_kind, "nospace");
        }
}
