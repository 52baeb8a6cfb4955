/* Implements notify/state-notices.h. */
#include "notify/state-notices.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

static void state_notice_add_host(struct notice *notice)
{
        char host[256] = "";
        if (gethostname(host, sizeof host - 1) == 0)
                notice_add_fact(notice, "host", "Host", host);
}

static void state_notice_add_time(struct notice *notice, const char *name, const char *label,
                                  int64_t when)
{
        _cleanup_free_ char *text = clock_format_local(when);
        notice_add_fact(notice, name, label, text);
}

struct notice *dead_clock_notice(int64_t slot, int64_t last_begun, size_t due, bool paused,
                                 bool own_timer, int64_t now)
{
        struct notice *notice = notice_new("dead-clock", NOTICE_FAILURE, now,
                                           "No backup has begun since the cycle's start");
        state_notice_add_time(notice, "slot", "Start of the cycle", slot);
        state_notice_add_time(notice, "time", "Time", now);
        if (due)
                notice_add_factf(notice, "due", "VMs that are due", "%zu", due);
        if (last_begun)
                state_notice_add_time(notice, "last_begun", "Last backup begun", last_begun);
        else
                notice_add_fact(notice, "last_begun", "Last backup begun", "never");
        state_notice_add_host(notice);
        if (paused)
                notice_add_part(notice, "What to do", false,
                                "Backups are paused: 'orch resume' ends the pause.");
        else if (own_timer)
                notice_add_part(notice, "What to do", false,
                                "'orch status' shows what delays orch. 'orch run' backs up what is "
                                "due now.");
        else
                notice_add_part(notice, "What to do", false,
                                "The scheduler (Bacula's Admin job, a timer) did not call orch: "
                                "check that its daemon is up, that the job is enabled, and whether "
                                "its last run failed. 'orch run' backs up what is due now.");
        return notice;
}

struct notice *clock_works_notice(int64_t now)
{
        struct notice *notice =
                notice_new("clock-works", NOTICE_RESOLVED, now, "Backups have begun");
        state_notice_add_time(notice, "time", "Time", now);
        return notice;
}

struct notice *inventory_broken_notice(const char *file, const char *problems, bool in_use,
                                       int64_t now)
{
        struct notice *notice =
                notice_new("inventory-broken", NOTICE_FAILURE, now, "The inventory is broken: %s",
                           in_use ? "the last good one is used" : "nothing can be backed up");
        notice_add_fact(notice, "file", "File", file);
        state_notice_add_time(notice, "time", "Time", now);
        state_notice_add_host(notice);
        notice_add_part(notice, "What is wrong", true, problems);
        notice_add_part(notice, "What to do", false,
                        "Correct it; 'orch config check' lists all mistakes. The next 'orch run' "
                        "reads it again.");
        return notice;
}

struct notice *inventory_mended_notice(const char *file, size_t vms, int64_t now)
{
        struct notice *notice =
                notice_new("inventory-mended", NOTICE_RESOLVED, now, "The inventory is good again");
        notice_add_fact(notice, "file", "File", file);
        notice_add_factf(notice, "vms", "VMs", "%zu", vms);
        state_notice_add_time(notice, "time", "Time", now);
        return notice;
}

struct notice *test_notice(int64_t now)
{
        struct notice *notice =
                notice_new("test", NOTICE_RESOLVED, now, "A test of orch's messages");
        state_notice_add_host(notice);
        state_notice_add_time(notice, "time", "Time", now);
        notice_add_part(notice, "What to do", false,
                        "Nothing: 'orch notify test' requested this message.");
        return notice;
}

struct notice *scheduler_failure_notice(const char *job, const char *text, int64_t now)
{
        _cleanup_free_ char *name = str_one_line(job, 60);
        struct notice *notice =
                notice_new("scheduler-failure", NOTICE_FAILURE, now, "The job %s failed", name);
        notice_add_fact(notice, "job", "Job", job);
        state_notice_add_host(notice);
        state_notice_add_time(notice, "time", "Time", now);
        notice_add_part(notice, "What failed", true, text);
        notice_add_part(notice, "What to do", false,
                        "Check the job's log and 'orch status': exit status 3 means that orch's "
                        "daemon could not be reached.");
        return notice;
}
