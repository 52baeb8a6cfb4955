/* Implements notify/weekly.h. A VM counts once, by the last of its jobs that succeeded or failed: a
 * skipped or cancelled job does not cancel an earlier backup. */
#include "notify/weekly.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

enum { WEEK_SECONDS = 7 * 86400, LINES_MAX = 60 };

/* The result of one VM. */
struct vm_week {
        const char *vm;
        const struct ledger_row *last;   /* the job by which it counts; NULL: none ran */
        const struct ledger_row *failed; /* the newest failed job */
        size_t failures;
};

struct week {
        struct vm_week *vms;
        size_t n_vms;
        size_t jobs;
        size_t jobs_failed;
        size_t warnings;
        size_t succeeded;
        size_t failed;
        size_t skipped; /* or cancelled: not backed up, and no failure */
        size_t idle;    /* nothing ran */
        uint64_t stored_bytes;
        uint64_t stored_before;
        bool ran_before; /* the ledger has jobs of the week before */
        int64_t seconds;
        const struct ledger_row *slowest;
};

static struct vm_week *week_find_vm(struct week *week, const char *vm)
{
        for (size_t i = 0; i < week->n_vms; i++)
                if (streq(week->vms[i].vm, vm))
                        return &week->vms[i];
        week->vms = xrealloc_array(week->vms, week->n_vms + 1, sizeof *week->vms);
        struct vm_week *found = &week->vms[week->n_vms++];
        *found = (struct vm_week){ .vm = vm };
        return found;
}

static int64_t seconds_of(const struct ledger_row *row)
{
        return row->started && row->finished > row->started ? row->finished - row->started : 0;
}

static bool row_is_conclusive(const struct ledger_row *row)
{
        return streq(row->status, "ok") || streq(row->status, "failed");
}

static void count_row(struct week *week, const struct ledger_row *row)
{
        struct vm_week *vm = week_find_vm(week, row->vm);
        if (!vm->last || row_is_conclusive(row) || !row_is_conclusive(vm->last))
                vm->last = row;
        week->jobs++;
        week->warnings += strv_length(row->warnings);
        week->seconds += seconds_of(row);
        if (streq(row->status, "failed")) {
                vm->failed = row;
                vm->failures++;
                week->jobs_failed++;
        }
        if (!streq(row->status, "ok"))
                return;
        week->stored_bytes += row->stored_bytes;
        if (!week->slowest || seconds_of(row) > seconds_of(week->slowest))
                week->slowest = row;
}

static void count_vms(struct week *week)
{
        for (size_t i = 0; i < week->n_vms; i++) {
                const struct ledger_row *last = week->vms[i].last;
                week->idle += !last;
                week->succeeded += last && streq(last->status, "ok");
                week->failed += last && streq(last->status, "failed");
                week->skipped += last && !row_is_conclusive(last);
        }
}

static void week_count(const struct weekly_input *input, struct week *week)
{
        for (size_t i = 0; input->vms && input->vms[i]; i++)
                week_find_vm(week, input->vms[i]);
        for (size_t i = 0; i < input->ledger->count; i++) {
                const struct ledger_row *row = &input->ledger->rows[i];
                if (row->finished > input->from && row->finished <= input->to) {
                        count_row(week, row);
                } else if (row->finished <= input->from &&
                           row->finished > input->from - WEEK_SECONDS) {
                        week->ran_before = true;
                        week->stored_before += streq(row->status, "ok") ? row->stored_bytes : 0;
                }
        }
        count_vms(week);
}

int64_t weekly_days_left(const struct weekly_input *input, uint64_t stored_bytes)
{
        double a_day = 0;
        int64_t seconds = input->to - input->free_before_at;
        if (!input->share_is_known)
                return -1;
        if (input->free_before_at && seconds >= 86400)
                a_day = ((double)input->free_before - (double)input->free_bytes) /
                        ((double)seconds / 86400);
        else if (input->to > input->from)
                a_day = (double)stored_bytes / ((double)(input->to - input->from) / 86400);
        if (a_day < 1)
                return -1;
        double days = (double)input->free_bytes / a_day;
        return days > 100000 ? -1 : (int64_t)days;
}

static void add_stored(struct notice *notice, const struct week *week)
{
        _cleanup_free_ char *stored = format_bytes(week->stored_bytes);
        if (!week->ran_before) {
                notice_add_factf(notice, "stored", "Stored", "%s", stored);
                return;
        }
        bool more = week->stored_bytes >= week->stored_before;
        _cleanup_free_ char *change = format_bytes(more ? week->stored_bytes - week->stored_before
                                                        : week->stored_before - week->stored_bytes);
        notice_add_factf(notice, "stored", "Stored", "%s (%s%s against the week before)", stored,
                         more ? "+" : "−", change);
}

static void add_share(struct notice *notice, const struct weekly_input *input,
                      const struct week *week)
{
        if (!input->share_is_known) {
                notice_add_fact(notice, "share", "Share", "not available now");
                return;
        }
        _cleanup_free_ char *free_text = format_bytes(input->free_bytes);
        _cleanup_free_ char *total = format_bytes(input->total_bytes);
        int64_t days = weekly_days_left(input, week->stored_bytes);
        notice_add_factf(notice, "share", "Share", "%s free of %s", free_text, total);
        if (days >= 0)
                notice_add_factf(notice, "days_left", "Days left at this rate", "%lld",
                                 (long long)days);
        else
                notice_add_fact(notice, "days_left", "Days left at this rate",
                                "it is not filling up");
}

static void weekly_add_facts(struct notice *notice, const struct weekly_input *input,
                             const struct week *week)
{
        notice_add_factf(notice, "total", "VMs", "%zu", week->n_vms);
        notice_add_factf(notice, "succeeded", "Succeeded", "%zu", week->succeeded);
        notice_add_factf(notice, "failed", "Failed", "%zu", week->failed);
        notice_add_factf(notice, "skipped", "Skipped", "%zu", week->skipped);
        notice_add_factf(notice, "not_run", "Not run", "%zu", week->idle);
        notice_add_factf(notice, "warnings", "Warnings", "%zu", week->warnings);
        notice_add_factf(notice, "overdue", "Overdue", "%zu", strv_length(input->overdue));
        notice_add_factf(notice, "unproven", "Never proven", "%zu", strv_length(input->unproven));
        notice_add_factf(notice, "jobs", "Jobs", "%zu, %zu of them failed", week->jobs,
                         week->jobs_failed);
        _cleanup_free_ char *duration = format_duration_ms(week->seconds * 1000);
        notice_add_fact(notice, "duration", "Time spent", duration);
        add_stored(notice, week);
        if (week->slowest) {
                _cleanup_free_ char *slowest = format_duration_ms(seconds_of(week->slowest) * 1000);
                notice_add_factf(notice, "slowest", "Slowest", "%s, %s", week->slowest->vm,
                                 slowest);
        }
        add_share(notice, input, week);
        _cleanup_free_ char *next =
                input->next_cycle ? clock_format_local(input->next_cycle) : NULL;
        notice_add_fact(notice, "next_cycle", "Next cycle", next ? next : "none");
}

/* A list of at most LINES_MAX lines. */
struct lines {
        struct strbuf text;
        size_t count;
};

static void lines_add(struct lines *lines, const char *line)
{
        if (lines->count++ < LINES_MAX)
                strbuf_addf(&lines->text, "%s%s", lines->text.length ? "\n" : "", line);
}

static void add_lines(struct notice *notice, const char *label, struct lines *lines)
{
        if (lines->count > LINES_MAX)
                strbuf_addf(&lines->text, "\n… and %zu more", lines->count - LINES_MAX);
        if (lines->count)
                notice_add_part(notice, label, true, lines->text.data);
        strbuf_done(&lines->text);
}

static void add_failed(struct notice *notice, const struct week *week)
{
        struct lines failed = { 0 };
        struct lines recovered = { 0 };
        for (size_t i = 0; i < week->n_vms; i++) {
                const struct vm_week *vm = &week->vms[i];
                if (!vm->failed)
                        continue;
                bool now_ok = streq(vm->last->status, "ok");
                _cleanup_free_ char *line =
                        xasprintf("%s (%s): %s", vm->vm,
                                  vm->failed->hypervisor ? vm->failed->hypervisor : "?",
                                  vm->failed->error ? vm->failed->error : "no reason was given");
                lines_add(now_ok ? &recovered : &failed, line);
        }
        add_lines(notice, "Failed", &failed);
        add_lines(notice, "Failed, and succeeded later", &recovered);
}

static void add_skipped(struct notice *notice, const struct week *week)
{
        struct lines skipped = { 0 };
        struct lines idle = { 0 };
        for (size_t i = 0; i < week->n_vms; i++) {
                const struct ledger_row *last = week->vms[i].last;
                if (!last) {
                        lines_add(&idle, week->vms[i].vm);
                } else if (!row_is_conclusive(last)) {
                        _cleanup_free_ char *line =
                                xasprintf("%s: %s%s%s", last->vm, last->status,
                                          last->error ? ", " : "", last->error ? last->error : "");
                        lines_add(&skipped, line);
                }
        }
        add_lines(notice, "Skipped or cancelled", &skipped);
        add_lines(notice, "Not run", &idle);
}

static void weekly_add_warnings(struct notice *notice, const struct week *week)
{
        struct lines lines = { 0 };
        for (size_t i = 0; i < week->n_vms; i++) {
                const struct ledger_row *last = week->vms[i].last;
                for (size_t w = 0; last && last->warnings && last->warnings[w]; w++) {
                        _cleanup_free_ char *line =
                                xasprintf("%s: %s", last->vm, last->warnings[w]);
                        lines_add(&lines, line);
                }
        }
        add_lines(notice, "Warnings of the newest jobs", &lines);
}

static void weekly_add_names(struct notice *notice, const char *label, char *const *names)
{
        struct lines lines = { 0 };
        for (size_t i = 0; names && names[i]; i++)
                lines_add(&lines, names[i]);
        add_lines(notice, label, &lines);
}

struct notice *weekly_notice(const struct weekly_input *input)
{
        struct week week = { 0 };
        week_count(input, &week);
        bool all_good = !week.failed && !week.idle && !strv_length(input->overdue);
        struct notice *notice = notice_new("weekly-summary", NOTICE_SUMMARY, input->to,
                                           "Backups of the week: %zu of %zu VMs succeeded%s",
                                           week.succeeded, week.n_vms,
                                           week.failed ? ", some failed"
                                           : all_good  ? ""
                                                       : ", some need attention");
        _cleanup_free_ char *from = clock_format_local(input->from);
        _cleanup_free_ char *to = clock_format_local(input->to);
        notice_add_factf(notice, "period", "From, to", "%s, %s", from, to);
        weekly_add_facts(notice, input, &week);
        add_failed(notice, &week);
        add_skipped(notice, &week);
        weekly_add_names(notice, "Overdue", input->overdue);
        weekly_add_names(notice, "Never proven by a test restore", input->unproven);
        weekly_add_warnings(notice, &week);
        free(week.vms);
        return notice;
}
