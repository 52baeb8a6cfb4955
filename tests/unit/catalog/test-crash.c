/* A writer that is killed at any moment: what it was told is written is there, and the file is
 * whole. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "fixture.h"

TestSuite(crash, .init = make_folder, .fini = remove_folder);

#define ROUNDS 30

/* Records, removes and reconciles without end, and says after each record which one is written.
 * Killed from outside. */
static void write_for_ever(int fd, int64_t first)
{
        bool rebuild;
        struct catalog *catalog = catalog_open(file, &rebuild, NULL);
        _cleanup_catalog_entry_ struct catalog_entry entry = make_entry("a", first, "ok");

        for (int64_t i = first; catalog; i++) {
                free(entry.job);
                free(entry.path);
                entry.job = xasprintf("job-%lld", (long long)i);
                entry.path = xasprintf("hv/a/%lld", (long long)i);
                entry.started = i;
                if (catalog_record(catalog, &entry, NULL) < 0 ||
                    write(fd, &i, sizeof i) != sizeof i)
                        break;
                if (i % 7 == 0 && catalog_set_pin(catalog, "a", entry.job, "hv", NULL) < 0)
                        break;
        }
        _exit(1);
}

/* Kills the writer some time after it has told of `records` more. Returns the last one that it told
 * of; 0: none. */
static int64_t run_and_kill(int64_t first, unsigned records, long after_us)
{
        int fds[2], status = 0;
        int64_t last = 0;
        struct timespec pause = { .tv_nsec = after_us * 1000 };

        cr_assert_eq(pipe(fds), 0);
        pid_t pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                close(fds[0]);
                write_for_ever(fds[1], first);
        }
        close(fds[1]);
        for (unsigned i = 0; i < records; i++)
                cr_assert_eq(read(fds[0], &last, sizeof last), (ssize_t)sizeof last);
        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the writer ended by itself");
        while (read(fds[0], &last, sizeof last) == (ssize_t)sizeof last)
                ;
        close(fds[0]);
        return last;
}

Test(crash, thirty_kills_lose_nothing_that_was_written, .timeout = 100)
{
        int64_t rows = 0;
        size_t journals = 0;

        for (unsigned round = 0; round < ROUNDS; round++) {
                int64_t told = run_and_kill(rows + 1, 1 + round % 4, round * 397 % 9000);
                journals += count_files("backup-catalog.db-journal");

                struct catalog *catalog = open_catalog(true);
                _cleanup_catalog_list_ struct catalog_list list = { 0 };
                assert_ok(catalog_list(catalog, NULL, false, &list, err));
                catalog_free(catalog);
                rows = (int64_t)list.count;
                cr_assert(rows == told || rows == told + 1, "%lld rows, but %lld were told",
                          (long long)rows, (long long)told);
                for (int64_t i = 0; i < rows; i++)
                        cr_assert_eq(list.items[i].started, rows - i);
                _cleanup_free_ char *verdict = query_text(file, "PRAGMA integrity_check");
                cr_assert_str_eq(verdict, "ok");
        }
        cr_assert_eq(count_files("backup-catalog.db.corrupt"), 0);
        cr_assert_gt(journals, 0, "no kill met a write under way: the test shows nothing");
}
