/* Two holders of one share, processes of their own. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "share-fixture.h"

#define LOCK SHARE "/.orch-lock"

/* Another process that holds the lock until it is killed. */
static pid_t start_holder(void)
{
        int pair[2];
        cr_assert_eq(pipe(pair), 0);
        pid_t pid = fork();
        if (pid == 0) {
                struct repository *repository = repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
                struct lock_holder holder = { 0 };
                char result = (char)repository_lock(repository, &holder, NULL);
                (void)!write(pair[1], &result, 1);
                for (;;)
                        pause();
        }
        char result = 1;
        cr_assert_eq(read(pair[0], &result, 1), 1);
        cr_assert_eq(result, LOCK_TAKEN);
        close(pair[0]);
        close(pair[1]);
        return pid;
}

static void end_holder(pid_t pid)
{
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

/* The content that says another holder, without moving the inode that is locked. */
static void overwrite_holder(const char *text)
{
        _cleanup_close_ int fd = open(LOCK, O_WRONLY | O_TRUNC);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

Test(lock, a_second_holder_is_told_who_has_it, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        char host[256] = "";
        gethostname(host, sizeof host - 1);

        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        cr_assert_eq(repository_lock(repository, &holder, NULL), LOCK_HELD_ELSEWHERE);
        cr_expect_str_eq(holder.host, host);
        cr_expect_eq(holder.pid, pid);
        cr_expect_leq(clock_realtime_s() - holder.since, 20);
        cr_expect_geq(clock_realtime_s(), holder.since);

        end_holder(pid);
        _cleanup_(lock_holder_done) struct lock_holder nobody = { 0 };
        cr_assert_eq(repository_lock(repository, &nobody, NULL), LOCK_TAKEN, "SIGKILL frees it");
        cr_expect_null(nobody.host);
        cr_assert_eq(repository_lock(repository, &nobody, NULL), LOCK_TAKEN,
                     "taking it twice is fine");
        _cleanup_free_ char *text = fs_read_file(LOCK, 4096, NULL, NULL);
        _cleanup_free_ char *line = xasprintf("\npid: %ld\n", (long)getpid());
        cr_expect(strstr(text, line), "%s", text);
}

Test(lock, is_given_back_by_unlock_and_by_free, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *first = share_repository(32);
        _cleanup_(repository_freep) struct repository *second =
                repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        struct lock_holder holder = { 0 };
        cr_assert_eq(repository_lock(first, &holder, NULL), LOCK_TAKEN);
        _cleanup_(lock_holder_done) struct lock_holder seen = { 0 };
        cr_assert_eq(repository_lock(second, &seen, NULL), LOCK_HELD_ELSEWHERE,
                     "two in one process exclude each other as well");
        repository_unlock(first);
        struct stat st;
        cr_assert_eq(stat(LOCK, &st), 0);
        cr_expect_eq(st.st_size, 0, "nobody is named when nobody holds it");
        cr_assert_eq(repository_lock(second, &holder, NULL), LOCK_TAKEN);
        second = repository_free(second);
        cr_assert_eq(repository_lock(first, &holder, NULL), LOCK_TAKEN);
}

Test(lock, a_holder_without_a_name_is_still_one, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        overwrite_holder("\x01garbage: \xff\npid: -5\nsince: yesterday\n");
        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        cr_expect_eq(repository_lock(repository, &holder, NULL), LOCK_HELD_ELSEWHERE);
        cr_expect_null(holder.host);
        cr_expect_eq(holder.pid, 0);
        cr_expect_eq(holder.since, 0);
        end_holder(pid);
}

/* Holds the lock and, when told, probes the share. */
static _Noreturn void hold_and_probe(int command_fd, int answer_fd)
{
        struct repository *repository = repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        struct lock_holder holder = { 0 };
        struct repository_status status = { 0 };
        char byte = (char)repository_lock(repository, &holder, NULL);
        (void)!write(answer_fd, &byte, 1);
        (void)!read(command_fd, &byte, 1);
        byte = (char)repository_probe(SHARE, REPOSITORY_FSTYPE_ANY, 300, &status, NULL);
        (void)!write(answer_fd, &byte, 1);
        for (;;)
                pause();
}

Test(lock, is_not_kept_by_a_probe_that_is_stuck_when_its_holder_dies, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        int commands[2];
        int answers[2];
        cr_assert(pipe2(commands, O_CLOEXEC) == 0 && pipe2(answers, O_CLOEXEC) == 0);
        pid_t pid = fork();
        if (pid == 0)
                hold_and_probe(commands[0], answers[1]);
        char taken = 1;
        char probed = 0;
        cr_assert_eq(read(answers[0], &taken, 1), 1);
        _cleanup_close_ int fd = open(LOCK, O_RDWR | O_CLOEXEC);
        struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        cr_assert_eq(fcntl(fd, F_OFD_GETLK, &held), 0);
        share_freeze();
        (void)!write(commands[1], "p", 1);
        ssize_t answered = read(answers[0], &probed, 1);
        end_holder(pid);
        /* The stuck child is still there: only the thaw lets it go. */
        struct flock after = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int r = fcntl(fd, F_OFD_GETLK, &after);
        share_thaw();

        cr_expect_eq(taken, LOCK_TAKEN);
        cr_expect_eq(held.l_type, F_WRLCK, "it was held");
        cr_expect(answered == 1 && probed == -1, "the probe hung");
        cr_expect(r == 0 && after.l_type == F_UNLCK,
                  "it is free although the probe's child hangs on");
}

/* As when a lease has expired: the server has let go of the lock, and the descriptor is there
 * still. */
static void lose_lock(struct repository *repository)
{
        struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
        cr_assert_eq(fcntl(repository->lock_fd, F_OFD_SETLK, &lock), 0);
}

Test(check_lock, says_when_the_lock_was_lost_to_another, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_error_ struct error *error = NULL;
        struct lock_holder holder = { 0 };
        cr_assert_eq(repository_lock(repository, &holder, NULL), LOCK_TAKEN);
        cr_assert_eq(repository_check_lock(repository, &error), 0);
        lose_lock(repository);
        pid_t pid = start_holder();

        cr_assert_eq(repository_check_lock(repository, &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert(strstr(error->message, "was lost"), "%s", error->message);

        /* And the new holder's name stays. */
        repository_unlock(repository);
        _cleanup_(lock_holder_done) struct lock_holder other = { 0 };
        cr_assert_eq(repository_lock(repository, &other, NULL), LOCK_HELD_ELSEWHERE);
        cr_assert_eq(other.pid, pid);
        end_holder(pid);
}

Test(check_lock, says_when_the_lock_was_broken, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_error_ struct error *error = NULL;
        struct lock_holder holder = { 0 };
        cr_assert_eq(repository_lock(repository, &holder, NULL), LOCK_TAKEN);
        cr_assert_eq(rename(LOCK, LOCK ".broken"), 0);

        cr_assert_eq(repository_check_lock(repository, &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert_eq(repository_lock(repository, &holder, NULL), LOCK_TAKEN);
}

Test(check_holder, refuses_when_another_process_holds_it, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(repository_check_holder(repository, getpid(), &error), 0,
                     "nobody has ever locked it");
        pid_t pid = start_holder();
        cr_assert_eq(repository_check_holder(repository, pid, &error), 0);

        cr_assert_eq(repository_check_holder(repository, getpid(), &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        _cleanup_free_ char *expected = xasprintf("process %d on ", (int)pid);
        cr_assert(strstr(error->message, expected), "%s", error->message);

        overwrite_holder("orch lock\nhost: elsewhere\npid: 1\nboot: another\npid-namespace: 1\n");
        error = error_free(error);
        cr_assert_eq(repository_check_holder(repository, 1, &error), -1,
                     "a pid of another machine");
        overwrite_holder("");
        cr_assert_eq(repository_check_holder(repository, getpid(), NULL), 0,
                     "a holder without a name");
        end_holder(pid);
        overwrite_holder("orch lock\nhost: elsewhere\npid: 1\n");
        cr_assert_eq(repository_check_holder(repository, getpid(), NULL), 0, "one that is gone");
}

Test(break_lock, of_a_dead_holder_clears_it, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        end_holder(pid);
        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        cr_assert_eq(repository_break_lock(repository, false, &holder, NULL), 0);
        cr_expect_eq(holder.pid, pid, "who held it is told");
        struct stat st;
        cr_assert_eq(stat(LOCK, &st), 0);
        cr_expect_eq(st.st_size, 0);
        struct lock_holder nobody = { 0 };
        cr_expect_eq(repository_lock(repository, &nobody, NULL), LOCK_TAKEN);
}

static void expect_break_refused(struct repository *repository, bool force, const char *words)
{
        _cleanup_error_ struct error *error = NULL;
        struct lock_holder holder = { 0 };
        cr_assert_eq(repository_break_lock(repository, force, &holder, &error), -1);
        cr_expect_eq(error->kind, ERROR_REFUSED);
        cr_expect(strstr(error->message, words), "%s", error->message);
        cr_expect_null(holder.host);
}

Test(break_lock, of_a_live_process_here_is_refused_even_by_force, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        _cleanup_free_ char *words = xasprintf("pid %ld", (long)pid);
        expect_break_refused(repository, false, words);
        expect_break_refused(repository, true, "live process of this host");
        end_holder(pid);
}

Test(break_lock, of_another_host_needs_force, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        overwrite_holder("orch lock\nhost: elsewhere\npid: 1\nsince: 2026-02-01T22:00:15Z\nboot: "
                         "other\npid-namespace: 4026531836\n");
        expect_break_refused(repository, false,
                             "another host (host elsewhere, pid 1, since 2026-02-01T22:00:15Z)");
        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        cr_assert_eq(repository_break_lock(repository, true, &holder, NULL), 0);
        cr_expect_str_eq(holder.host, "elsewhere");
        cr_expect_eq(holder.since, 1769983215);
        cr_expect_eq(shell("ls " SHARE "/.orch-lock.broken-*"), 0);
        struct lock_holder nobody = { 0 };
        cr_expect_eq(repository_lock(repository, &nobody, NULL), LOCK_TAKEN,
                     "although the old one still holds what was renamed");
        _cleanup_(repository_freep) struct repository *third =
                repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        _cleanup_(lock_holder_done) struct lock_holder ours = { 0 };
        cr_expect_eq(repository_lock(third, &ours, NULL), LOCK_HELD_ELSEWHERE);
        cr_expect_eq(ours.pid, getpid());
        end_holder(pid);
}

Test(break_lock, of_another_container_of_this_machine_says_so, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        cr_assert_eq(
                shell("sed 's/^pid-namespace: .*/pid-namespace: 1/; s/^host: .*/host: box/' " LOCK
                      " >/mnt/text && cat /mnt/text >" LOCK),
                0);
        expect_break_refused(repository, false, "another container of this machine (host box");
        end_holder(pid);
}

Test(break_lock, that_a_child_of_a_dead_holder_keeps_says_so, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(32);
        pid_t pid = start_holder();
        pid_t gone = fork();
        if (gone == 0)
                _exit(0);
        waitpid(gone, NULL, 0);
        cr_assert_eq(shell("sed 's/^pid: .*/pid: %ld/' " LOCK " >/mnt/text && cat /mnt/text >" LOCK,
                           (long)gone),
                     0);
        expect_break_refused(repository, false, "has ended");
        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        cr_expect_eq(repository_break_lock(repository, true, &holder, NULL), 0);
        end_holder(pid);
}
