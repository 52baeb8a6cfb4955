/* What a campaign runs in: mounts and processes of its own. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"

#ifdef __SANITIZE_ADDRESS__
/* Thousands of short processes: little is kept of each. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
        return "malloc_context_size=6:quarantine_size_mb=4";
}
#endif

static bool write_map(const char *file, const char *format, unsigned id)
{
        FILE *map = fopen(file, "we");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        bool written = map && fprintf(map, format, id) > 0;
#pragma GCC diagnostic pop
        return map && fclose(map) == 0 && written;
}

bool campaign_enter_namespaces(void)
{
        unsigned uid = geteuid(), gid = getegid();
        if (unshare(CLONE_NEWNS | CLONE_NEWPID | (uid == 0 ? 0 : CLONE_NEWUSER)) < 0)
                return false;
        if (uid != 0 && (!write_map("/proc/self/setgroups", "deny%.0u", 0) ||
                         !write_map("/proc/self/uid_map", "0 %u 1", uid) ||
                         !write_map("/proc/self/gid_map", "0 %u 1", gid)))
                return false;
        pid_t first = fork();
        if (first > 0) {
                int status = 0;
                while (waitpid(first, &status, 0) < 0)
                        ;
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        }
        return first == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
               mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
               mount("proc", "/proc", "proc", 0, NULL) == 0 &&
               mount("tmpfs", "/run", "tmpfs", 0, "size=3g,mode=755") == 0 &&
               mount("tmpfs", "/var/lib", "tmpfs", 0, "size=1m,mode=755") == 0 &&
               mkdir(WORLD_SHARE, 0755) == 0 &&
               mount("tmpfs", WORLD_SHARE, "tmpfs", 0, "size=3g,mode=755") == 0;
}
