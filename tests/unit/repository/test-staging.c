/* From a staging folder to a point, and what stands in the way. */
#include "repository/staging.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/staging-sweep.h"
#include "share-fixture.h"

enum { STARTED = 1769983215 };
#define POINT "2026-02-01-220015"

static unsigned mode_of(const char *path)
{
        struct stat st;
        cr_assert_eq(stat(path, &st), 0, "%s", path);
        return st.st_mode & 07777;
}

Test(staging, becomes_a_point_that_sha256sum_confirms, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(staging_freep) struct staging *staging = stage_sample(repository, "job-1", POINT);
        cr_expect_str_eq(staging_path(staging), SHARE "/host-1/vm-1/.staging-job-1");
        cr_expect_str_eq(staging_relative_path(staging), "host-1/vm-1/.staging-job-1");
        cr_expect_eq(mode_of(staging_path(staging)), 0700);
        cr_expect_eq(staging_check_image(staging, "vm-1-vda.qcow2", 1024 * 1024, NULL, &error), 0,
                     "%s", error_message(error));
        _cleanup_free_ char *name = staging_choose_point_name(staging, STARTED, &error);
        cr_expect_str_eq(name, POINT);

        cr_assert_eq(staging_write_checksums(staging, &error), 0, "%s", error_message(error));
        cr_assert_eq(staging_publish(staging, name, &error), 0, "%s", error_message(error));
        cr_expect_str_eq(staging_path(staging), SHARE "/host-1/vm-1/" POINT);
        cr_expect_str_eq(staging_relative_path(staging), "host-1/vm-1/" POINT);
        cr_expect_eq(shell("cd %s && sha256sum -c --strict --quiet checksums.sha256",
                           staging_path(staging)),
                     0);
        cr_expect_eq(shell("test \"$(ls -A " SHARE "/host-1/vm-1)\" = " POINT), 0,
                     "nothing is left beside it");
        cr_expect_eq(mode_of(SHARE "/host-1/vm-1/" POINT), 0750);
        cr_expect_eq(mode_of(SHARE "/host-1/vm-1/" POINT "/configs"), 0750);
        cr_expect_eq(mode_of(SHARE "/host-1/vm-1/" POINT "/vm-1-vda.qcow2"), 0600,
                     "what a hypervisor wrote");
        cr_expect_eq(mode_of(SHARE "/host-1/vm-1/" POINT "/vm-1.xml"), 0600);
        cr_expect_eq(mode_of(SHARE "/host-1/vm-1/" POINT "/backup.log"), 0640);

        cr_expect_eq(staging_remove(staging, &error), -1, "a point is not removed as staging");
        cr_expect_eq(access(SHARE "/host-1/vm-1/" POINT "/vm-1.xml", F_OK), 0);
}

Test(staging, of_the_same_job_is_refused, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_(staging_freep) struct staging *first =
                staging_create(repository, "host-1", "vm-1", "job-1", NULL);
        cr_assert(first);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(staging_create(repository, "host-1", "vm-1", "job-1", &error));
        cr_expect_eq(error->kind, ERROR_REFUSED);
        _cleanup_(staging_freep) struct staging *other =
                staging_create(repository, "host-1", "vm-1", "job-2", NULL);
        cr_assert(other);
        cr_expect_eq(staging_remove(first, NULL), 0);
        cr_expect_neq(access(SHARE "/host-1/vm-1/.staging-job-1", F_OK), 0);
        cr_expect_eq(access(SHARE "/host-1/vm-1/.staging-job-2", F_OK), 0);
}

Test(staging, follows_no_link_that_stands_in_the_way, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        cr_assert_eq(shell("mkdir /mnt/outside && ln -s /mnt/outside " SHARE "/host-1"), 0);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(staging_create(repository, "host-1", "vm-1", "job-1", &error));
        cr_expect_eq(shell("rmdir /mnt/outside"), 0, "nothing was made there");
}

Test(staging, takes_no_file_name_that_leads_away, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_(staging_freep) struct staging *staging =
                staging_create(repository, "host-1", "vm-1", "job-1", NULL);
        static const char *const names[] = { "../x", "a/../x",    "/x",   ".hidden", "",
                                             "a/",   "../../x/y", "a\nb", "..",      "a/b/c" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                cr_expect_eq(staging_write_file(staging, names[i], 0600, "x", 1, NULL), -1, "%s",
                             names[i]);
                uint64_t bytes = 0;
                cr_expect_null(staging_hash_file(staging, names[i], NULL, &bytes, NULL), "%s",
                               names[i]);
        }
        cr_expect_eq(staging_write_file(staging, "configs/x.txt", 0600, "x", 1, NULL), 0);
}

Test(staging, missing_and_empty_files_are_corrupt, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_(staging_freep) struct staging *staging =
                staging_create(repository, "host-1", "vm-1", "job-1", NULL);
        cr_assert_eq(shell("cd %s && : >empty && ln -s /etc/passwd link && mkfifo fifo",
                           staging_path(staging)),
                     0);
        static const char *const names[] = { "empty", "link", "fifo", "missing",
                                             "nowhere/missing" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                _cleanup_error_ struct error *error = NULL;
                uint64_t bytes = 0;
                cr_assert_null(staging_hash_file(staging, names[i], NULL, &bytes, &error));
                cr_expect_eq(error->kind, ERROR_CORRUPT, "%s: %s", names[i], error->message);
                cr_expect(strstr(error->message, names[i]), "%s", error->message);
        }
        cr_expect_eq(staging_check_image(staging, "missing", 1, NULL, NULL), -1);
        cr_expect_eq(staging_check_image(staging, "link", 1, NULL, NULL), -1);
}

/* Each breaks what was verified; publishing has to say no and to leave no point. */
static const struct {
        const char *what;
        const char *command; /* run in the staging folder */
        bool before_checksums;
        const char *words;
} breakages[] = {
        { "a file that nobody hashed", "echo x >extra", false,
          "extra is not published: it was never hashed" },
        { "one in a folder", "echo x >configs/extra", false,
          "configs/extra is not published: it was never hashed" },
        { "a hidden one", "echo x >.extra", false, ".extra is not published" },
        { "a disk cut short", "truncate -s 1000 vm-1-vda.qcow2", false,
          "vm-1-vda.qcow2 is not published: it has changed since it was hashed" },
        { "a disk of the same length, written to",
          "printf x | dd of=vm-1-vda.qcow2 bs=1 seek=70000 conv=notrunc status=none", false,
          "it has changed since" },
        { "a file replaced", "cp -p vm-1.xml x && mv x vm-1.xml", false,
          "vm-1.xml is not published: it has changed" },
        { "a file removed", "rm vm-1.xml", false, "files were hashed" },
        { "a link", "ln -s vm-1.xml link", false, "neither a regular file nor a folder" },
        { "no list", "true", true, "checksums.sha256 is not published: it was never written" },
        { "a list that was edited", "sed -i 1d checksums.sha256", false,
          "not the list of the hashed files" },
        { "a deep tree", "mkdir -p a/b/c/d/e/f/g/h/i", false, "nested too deeply" },
};

Test(publish, refuses_what_was_not_verified, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (size_t i = 0; i < ARRAY_LENGTH(breakages); i++) {
                _cleanup_free_ char *job = xasprintf("job-%zu", i);
                _cleanup_(staging_freep) struct staging *staging =
                        stage_sample(repository, job, POINT);
                if (!breakages[i].before_checksums)
                        cr_assert_eq(staging_write_checksums(staging, NULL), 0);
                cr_assert_eq(shell("cd %s && %s", staging_path(staging), breakages[i].command), 0);
                _cleanup_error_ struct error *error = NULL;
                cr_expect_eq(staging_publish(staging, POINT, &error), -1, "%s", breakages[i].what);
                cr_expect(error && error->kind == ERROR_REFUSED, "%s: %s", breakages[i].what,
                          error_message(error));
                cr_expect(strstr(error_message(error), breakages[i].words), "%s: %s",
                          breakages[i].what, error_message(error));
                cr_expect_neq(access(SHARE "/host-1/vm-1/" POINT, F_OK), 0, "%s",
                              breakages[i].what);
                cr_expect_eq(staging_remove(staging, NULL), 0);
        }
}

Test(publish, state_and_vanishing_nfs_files_are_let_through, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_(staging_freep) struct staging *staging = stage_sample(repository, "job-1", POINT);
        cr_assert_eq(staging_write_checksums(staging, NULL), 0);
        cr_assert_eq(shell("cd %s && echo '{}' >state.json && echo x >.nfs000000001",
                           staging_path(staging)),
                     0);
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(staging_publish(staging, POINT, &error), 0, "%s", error_message(error));
}

Test(publish, a_name_that_exists_is_refused_and_the_next_second_is_chosen, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_free_ char *first = publish_sample(repository, STARTED);
        cr_expect_str_eq(first, POINT);
        cr_assert_eq(shell("mkdir " SHARE "/host-1/vm-1/2026-02-01-220016"), 0);

        _cleanup_(staging_freep) struct staging *staging =
                stage_sample(repository, "job-2", "2026-02-01-220017");
        cr_assert_eq(staging_write_checksums(staging, NULL), 0);
        _cleanup_free_ char *name = staging_choose_point_name(staging, STARTED, NULL);
        cr_expect_str_eq(name, "2026-02-01-220017");
        static const char *const taken[] = { POINT, "2026-02-01-220016" };
        for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
                _cleanup_error_ struct error *error = NULL;
                cr_expect_eq(staging_publish(staging, taken[i], &error), -1);
                cr_expect_eq(error->kind, ERROR_REFUSED, "%s", error->message);
                cr_expect(strstr(error->message, "already has a restore point"), "%s",
                          error->message);
        }
        static const char *const names[] = { "latest", "../x", "2026-02-30-000000",
                                             "2026-02-01-220015x", "" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                cr_expect_eq(staging_publish(staging, names[i], NULL), -1, "%s", names[i]);
        cr_expect_eq(staging_publish(staging, name, NULL), 0, "after all refusals it still can be");
}

Test(staging, a_full_share_is_told_as_such, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(8);
        _cleanup_(staging_freep) struct staging *staging =
                staging_create(repository, "host-1", "vm-1", "job-1", NULL);
        size_t length = 16 * 1024 * 1024;
        _cleanup_free_ char *data = xcalloc(1, length);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(staging_write_file(staging, "big", 0600, data, length, &error), -1);
        cr_expect_eq(error->kind, ERROR_NOSPACE, "%s", error->message);
        cr_expect_eq(shell("test -z \"$(ls -A %s)\"", staging_path(staging)), 0,
                     "no half of it is left");
}

Test(staging, a_tpm_folder_is_hashed_without_its_lock, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_(staging_freep) struct staging *staging = stage_sample(repository, "job-1", POINT);
        cr_assert_eq(shell("mkdir -p %s/vm-1-tpm/tpm2 && cd %s/vm-1-tpm/tpm2 && : >.lock && echo x "
                           ">tpm2-00.permall",
                           staging_path(staging), staging_path(staging)),
                     0);
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(staging_hash_folder(staging, "vm-1-tpm", &error), 0, "%s",
                     error_message(error));
        cr_expect_eq(staging_write_checksums(staging, NULL), 0);
        cr_expect_eq(staging_publish(staging, POINT, &error), 0, "%s", error_message(error));
        cr_expect_eq(shell("grep -q ' vm-1-tpm/tpm2/tpm2-00.permall$' " SHARE "/host-1/vm-1/" POINT
                           "/checksums.sha256"),
                     0);
}

Test(staging, what_dead_jobs_left_is_swept, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_free_ char *point = publish_sample(repository, STARTED);
        size_t removed = 7;
        cr_expect_eq(staging_sweep(repository, "host-1", "vm-2", &removed, NULL), 0);
        cr_expect_eq(removed, 0);
        cr_assert_eq(shell("cd " SHARE "/host-1/vm-1 && mkdir -p .staging-a/b .removing-c "
                           ".snapshot && ln -s /etc .staging-d"),
                     0);
        cr_expect_eq(staging_sweep(repository, "host-1", "vm-1", &removed, NULL), 0);
        cr_expect_eq(removed, 3);
        cr_expect_eq(shell("test \"$(ls -A " SHARE "/host-1/vm-1)\" = '.snapshot\n" POINT "'"), 0);
        cr_expect_eq(access("/etc/passwd", F_OK), 0);
}
