/* Every fault at every call of a restore, each followed by a look at all promises: what is there is
 * the machine as the point has it, or nothing of the restore at all. See README.md.
 *
 * fault-restore SCENARIO [FAULT [CALL]]: all of it, one fault, or one run with its trace. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "campaign.h"
#include "repository/restores.h"
#include "rows.h"

#define BESIDE "vm-1-look"
#define JOURNALS WORLD_SHARE "/metadata/restores"
#define POINT_FOLDER WORLD_SHARE "/" WORLD_HOST "/" WORLD_VM

enum {
        SKIPPED = 77,
        SETTLE_MS = 30 * 1000,
        RECOVERIES = 5, /* until the disks of an instant one are pulled */
        RECOVERY_CALLS = 24,
        FILES = 24,
        KEEP_DAYS = 8,
};

struct scenario {
        const char *name;
        const char *options; /* of the request; the point's name is put in */
        bool replaces;
        bool instant;
        bool was_on; /* the owner's VM */
        bool starts;
};

static const struct scenario scenarios[] = {
        { "beside", "{\"name\":\"" BESIDE "\",\"start\":true}", false, false, true, true },
        { "replace", "{\"point\":\"%s\",\"replace\":true,\"start\":true}", true, false, true,
          true },
        { "replace-off", "{\"point\":\"%s\",\"replace\":true}", true, false, false, false },
        { "instant", "{\"name\":\"" BESIDE "\",\"instant\":true}", false, true, true, true },
        { "instant-replace", "{\"point\":\"%s\",\"replace\":true,\"instant\":true}", true, true,
          true, true },
};

/* A file that was there before. */
struct known {
        char path[2 * WORLD_PATH];
        ino_t inode;
        bool is_vms; /* set aside with the VM */
};

static struct {
        const struct scenario *scenario;
        struct campaign campaign;
        char point[WORLD_NAME]; /* the name of its folder */
        char point_files[4096]; /* what is in it: names, inodes, sizes, times */
        uint64_t saved[WORLD_DISKS][WORLD_SLOTS];
        struct known files[FILES]; /* of this run */
        size_t n_files;
        bool may_litter; /* this run was killed, or kept from writing to the share */
} test;

static const char *const folders[] = { WORLD_IMAGES, WORLD_NVRAM_FOLDER };
static const char old_variables[] = "the VM's own variables", new_variables[] = "newer variables";

static void write_file_text(const char *path, const char *text)
{
        FILE *file = fopen(path, "we");
        if (!file || fputs(text, file) < 0 || fclose(file) != 0)
                abort();
}

static bool file_holds(const char *path, const char *text)
{
        _cleanup_free_ char *found = fs_read_file(path, 256, NULL, NULL);
        return streq(found, text);
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* -- what was there before -- */

static void describe_point(char *ret, size_t room)
{
        struct dirent **entries = NULL;
        _cleanup_free_ char *folder = xasprintf(POINT_FOLDER "/%s", test.point);
        int count = scandir(folder, &entries, NULL, compare_entries);
        size_t used = 0;
        for (int i = 0; i < count; i++) {
                struct stat st;
                _cleanup_free_ char *path = xasprintf("%s/%s", folder, entries[i]->d_name);
                if (!streq(entries[i]->d_name, "..") && lstat(path, &st) == 0 && used < room)
                        used += (size_t)snprintf(ret + used, room - used,
                                                 "%s %ju %o %ju %jd.%09ld\n", entries[i]->d_name,
                                                 (uintmax_t)st.st_ino, st.st_mode,
                                                 (uintmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                                                 st.st_mtim.tv_nsec);
                free(entries[i]);
        }
        free(entries);
        if (count < 0 || used >= room)
                abort();
}

static void know_files(void)
{
        test.n_files = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
                _cleanup_(closedirp) DIR *dir = opendir(folders[i]);
                for (struct dirent *entry; dir && (entry = readdir(dir));) {
                        struct stat st;
                        struct known *file = &test.files[test.n_files];
                        if (entry->d_name[0] == '.' || test.n_files == FILES)
                                continue;
                        snprintf(file->path, sizeof file->path, "%s/%s", folders[i], entry->d_name);
                        if (lstat(file->path, &st) < 0)
                                abort();
                        file->inode = st.st_ino;
                        file->is_vms = streq(file->path, WORLD_NVRAM) ||
                                       world_disk_of_base(file->path) != NULL;
                        test.n_files++;
                }
        }
}

/* A hypervisor with the VM, which has gone on since its backup, and the share with that point. */
static void prepare_world(void)
{
        world_reset();
        world_keep_point(test.point);
        world->may_define = true;
        write_file_text(WORLD_IMAGES "/" BESIDE "-vda.qcow2.mine", "somebody's file");
        write_file_text(WORLD_NVRAM, new_variables);
        world_advance(1000);
        if (!test.scenario->was_on)
                world_domain_end(world_vm());
        world->original = *world_vm();
        know_files();
}

static bool make_point(void)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world_reset();
        world_empty_share();
        campaign_run(&test.campaign, JOB_BACKUP, WORLD_JOB, &verdict);
        if (!streq(verdict.status, "ok") || !verdict.path) {
                printf("%s\n%s\n", world->trace, verdict.diagnostics);
                return false;
        }
        snprintf(test.point, sizeof test.point, "%s", path_base(verdict.path));
        for (size_t i = 0; i < WORLD_DISKS; i++)
                memcpy(test.saved[i], world_vm()->disks[i].at_snapshot, sizeof test.saved[i]);
        describe_point(test.point_files, sizeof test.point_files);
        return true;
}

/* -- what is there afterwards -- */

static struct world_domain *restored_machine(void)
{
        if (!test.scenario->replaces)
                return world->domains[1].defined ? &world->domains[1] : NULL;
        return world_vm()->defined && world->replaced ? world_vm() : NULL;
}

/* The journal's phase; -1: there is none. */
static int read_phase(void)
{
        _cleanup_restore_journals_ struct restore_journals list = { 0 };
        if (restores_scan(test.campaign.repository, NULL, &list, NULL) < 0 || list.unreadable)
                world_violation("a journal cannot be read");
        if (list.count > 1)
                world_violation("there are %zu journals", list.count);
        return list.count ? (int)list.items[0]->phase : -1;
}

/* By its inode: at its path, or set aside beside it. */
static void check_known(const struct known *file, bool is_aside, const char *when)
{
        struct stat st;
        _cleanup_free_ char *folder = path_directory(file->path);
        _cleanup_free_ char *prefix =
                xasprintf("%s%s", path_base(file->path), is_aside ? ".replaced-" : "");
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                _cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);
                if (lstat(path, &st) < 0 || st.st_ino != file->inode)
                        continue;
                if (is_aside ? !str_starts_with(entry->d_name, prefix)
                             : !streq(entry->d_name, prefix))
                        world_violation("%s: %s is now %s", when, file->path, path);
                return;
        }
        world_violation("%s: %s, which was there, is gone", when, file->path);
}

static bool is_known(ino_t inode)
{
        for (size_t i = 0; i < test.n_files; i++)
                if (test.files[i].inode == inode)
                        return true;
        return false;
}

static bool belongs_to(const struct world_domain *domain, const char *path)
{
        for (size_t i = 0; domain && i < WORLD_DISKS; i++)
                if (streq(domain->disks[i].base, path))
                        return true;
        return domain && str_ends_with(path, "_VARS.fd");
}

/* Files that a restore made: those of the machine that is there, and no others. */
static void check_made(const struct world_domain *domain, const char *when)
{
        for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
                _cleanup_(closedirp) DIR *dir = opendir(folders[i]);
                for (struct dirent *entry; dir && (entry = readdir(dir));) {
                        struct stat st;
                        _cleanup_free_ char *path = xasprintf("%s/%s", folders[i], entry->d_name);
                        if (lstat(path, &st) < 0 || S_ISDIR(st.st_mode) || is_known(st.st_ino))
                                continue;
                        if (!belongs_to(domain, path))
                                world_violation("%s: %s is left", when, path);
                }
        }
}

static void check_files(bool is_aside, const char *when)
{
        for (size_t i = 0; i < test.n_files; i++)
                check_known(&test.files[i], is_aside && test.files[i].is_vms, when);
        if (!file_holds(WORLD_IMAGES "/" BESIDE "-vda.qcow2.mine", "somebody's file"))
                world_violation("%s: somebody's file was written to", when);
}

static void check_nothing_runs(const char *when)
{
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (world->copies[i].running)
                        world_violation("%s: a copy to %s still runs", when,
                                        world->copies[i].target);
        campaign_check_folder("/run/orch", "", when);
        campaign_check_folder("/var/lib/orch", "", when);
}

static void check_point_untouched(void)
{
        char now[sizeof test.point_files];
        describe_point(now, sizeof now);
        if (!streq(now, test.point_files))
                world_violation("the point was changed: %s instead of %s", now, test.point_files);
}

/* The owner's VM as it was: his disks, his power state. */
static void check_owners(const struct row *row, const char *when)
{
        const struct world_domain *vm = world_vm();
        bool off = vm->state == DOMAIN_STATE_SHUT_OFF;
        if (!vm->defined || world->replaced) {
                world_violation("%s: the VM is not the owner's", when);
                return;
        }
        if (row->fault.kind != FAULT_POWER_OFF && off == test.scenario->was_on)
                world_violation("%s: the VM is %s", when, domain_state_name(vm->state));
        if (!vm->autostart)
                world_violation("%s: the VM starts with its host no more", when);
        if (!file_holds(WORLD_NVRAM, new_variables))
                world_violation("%s: the VM has other NVRAM variables", when);
}

/* What is left of a file that was being written or removed, or of a restore without a journal,
 * means nothing to anybody, and goes a day later. */
static void check_journals(const char *when)
{
        _cleanup_(closedirp) DIR *dir = opendir(JOURNALS);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                if (str_ends_with(entry->d_name, ".json"))
                        world_violation("%s: %s is left", when, entry->d_name);
        if (dir && !test.may_litter)
                campaign_check_folder(JOURNALS, "", when);
}

static void check_undone(const struct row *row, const char *when)
{
        if (world->domains[1].defined)
                world_violation("%s: %s is still defined", when, world->domains[1].name);
        world_check_writes();
        check_owners(row, when);
        check_files(false, when);
        check_made(NULL, when);
        check_nothing_runs(when);
        check_journals(when);
        campaign_check_folder(POINT_FOLDER, ".reading-", when);
}

/* The disks of the machine that was replaced are kept, with all that was ever written to them. */
static void check_asides(void)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                const struct world_disk *disk = &world->original.disks[i];
                uint64_t slots[WORLD_SLOTS];
                _cleanup_free_ char *prefix = xasprintf("%s.replaced-", path_base(disk->base));
                _cleanup_(closedirp) DIR *dir = opendir(WORLD_IMAGES);
                for (struct dirent *entry; dir && (entry = readdir(dir));) {
                        _cleanup_free_ char *path = xasprintf(WORLD_IMAGES "/%s", entry->d_name);
                        if (str_starts_with(entry->d_name, prefix) &&
                            (!image_read(path, slots) ||
                             memcmp(slots, disk->expected, sizeof slots) != 0))
                                world_violation("%s does not hold what the VM wrote", path);
                }
        }
}

static void check_machine(const struct world_domain *domain, const struct row *row,
                          const char *when)
{
        bool replaces = test.scenario->replaces;
        _cleanup_free_ char *variables = xasprintf(WORLD_NVRAM_FOLDER "/%s_VARS.fd", domain->name);
        bool off = domain->state == DOMAIN_STATE_SHUT_OFF;
        if (row->fault.kind != FAULT_POWER_OFF && off == test.scenario->starts)
                world_violation("%s: %s is %s", when, domain->name,
                                domain_state_name(domain->state));
        if (domain->autostart != replaces)
                world_violation("%s: %s %s with its host", when, domain->name,
                                replaces ? "does not start" : "starts");
        if (!file_holds(replaces ? WORLD_NVRAM : variables, old_variables))
                world_violation("%s: %s has not the NVRAM variables of the point", when,
                                domain->name);
        for (size_t i = 0; i < WORLD_DISKS; i++)
                if (memcmp(domain->disks[i].at_definition, test.saved[i], sizeof test.saved[i]) !=
                    0)
                        world_violation("%s: disk %s of %s is not what the point holds", when,
                                        domain->disks[i].target, domain->name);
}

/* Nothing of an instant one is on the share any more, and libvirt owns its files. */
static void check_settled(const struct world_domain *domain, const char *when)
{
        for (size_t i = 0; test.scenario->instant && i < WORLD_DISKS; i++)
                if (domain->disks[i].n_chain != 1)
                        world_violation("%s: disk %s still stands on %s", when,
                                        domain->disks[i].target, domain->disks[i].chain[1]);
        if (strstr(domain->xml, "model=\"dac\""))
                world_violation("%s: %s still runs as root", when, domain->name);
        campaign_check_folder(POINT_FOLDER, ".reading-", when);
}

static void check_complete(const struct row *row, const char *when)
{
        const struct world_domain *domain = restored_machine();
        bool replaces = test.scenario->replaces;
        if (!domain) {
                world_violation("%s: there is no restored machine", when);
                return;
        }
        world_check_writes();
        check_machine(domain, row, when);
        check_settled(domain, when);
        check_files(replaces, when);
        check_made(domain, when);
        check_nothing_runs(when);
        if (replaces) {
                check_asides();
                if (read_phase() != RESTORE_DONE)
                        world_violation("%s: the journal of what was set aside is in phase %d",
                                        when, read_phase());
        } else {
                check_owners(row, when);
                check_journals(when);
        }
}

static void check_always(const struct verdict *verdict)
{
        world_look();
        campaign_check_verdict(verdict);
        check_point_untouched();
        campaign_check_folder(POINT_FOLDER, ".staging-", "a restore");
}

/* -- the runs -- */

static void run_recovery(const char *job, bool must_succeed)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world_trace("        -- a recovery\n");
        campaign_run(&test.campaign, JOB_RECOVER, job, &verdict);
        check_always(&verdict);
        if (must_succeed && !streq(verdict.status, "ok"))
                world_violation("the recovery did not end well: %s",
                                verdict.error ? verdict.error : "no result");
}

/* As the daemon does, until nothing is to be done any more. */
static void recover_until_done(const struct row *row, unsigned at)
{
        if (at % 2)
                world_advance(SETTLE_MS);
        for (int i = 0; i < RECOVERIES; i++) {
                run_recovery("20261120-3faa", true);
                int phase = read_phase();
                if (phase < 0 || phase == RESTORE_DONE)
                        break;
                /* A guest that its owner powers off stays off, and stands on the share. */
                struct world_domain *domain = restored_machine();
                if (row->fault.kind == FAULT_POWER_OFF && domain &&
                    domain->state == DOMAIN_STATE_SHUT_OFF && world_domain_start(domain, NULL) < 0)
                        world_violation("what was powered off does not start again");
                world_advance(SETTLE_MS);
        }
        if (restored_machine())
                check_complete(row, "after a recovery");
        else
                check_undone(row, "after a recovery");
        if (!test.may_litter || read_phase() >= 0)
                return;
        world->days = 2;
        run_recovery("20261120-3fac", true);
        campaign_check_folder(JOURNALS, "", "two days after a recovery");
}

/* What was set aside goes when its time is over, and not before. */
static void let_days_pass(const struct row *row)
{
        run_recovery("20261120-3fac", true);
        check_complete(row, "a recovery later");
        world->days = KEEP_DAYS;
        run_recovery("20261120-3fad", true);
        for (size_t i = 0; i < ARRAY_LENGTH(folders); i++)
                campaign_check_folder(folders[i], ".replaced-", "after eight days");
        campaign_check_folder(JOURNALS, "", "after eight days");
}

/* Whether what failed is a machine that is there and has to be known as such. */
static bool is_kept(const struct row *row, const struct verdict *verdict)
{
        const struct world_domain *domain = restored_machine();
        bool must_run = test.scenario->starts && row->fault.kind != FAULT_POWER_OFF;
        if (!domain || (must_run && domain->state != DOMAIN_STATE_RUNNING))
                return false;
        /* An instant one fails in its step "pull" then, by which it is known. */
        int phase = read_phase();
        bool pulls = test.scenario->instant && (phase < 0 || phase >= RESTORE_PULLING);
        if (!pulls && !strstr(verdict->error, "restored"))
                world_violation("the machine is there, and the verdict is: %s", verdict->error);
        return true;
}

/* A lease whose file could not be removed ends with its process, and is swept by the next job. */
static void sweep_lease(void)
{
        if (!test.scenario->instant && image_exists(POINT_FOLDER "/.reading-" WORLD_JOB))
                run_recovery("20261120-3fae", true);
}

static void judge_restore(const struct row *row, unsigned at, const struct verdict *verdict)
{
        world->fault = world->then = (struct fault){ 0 };
        bool ok = !verdict->killed && streq(verdict->status, "ok");
        if (!verdict->killed && test.may_litter && row->aftermath == BY_ITSELF)
                sweep_lease();
        if (ok && row->fault.kind != FAULT_POWER_OFF)
                check_complete(row, "when it ended");
        if (ok && row->fault.kind != FAULT_POWER_OFF && test.scenario->replaces) {
                let_days_pass(row);
                return;
        }
        if (ok && row->fault.kind != FAULT_POWER_OFF)
                return;
        bool by_itself = !verdict->killed && row->aftermath == BY_ITSELF;
        if (by_itself && !ok && !is_kept(row, verdict))
                check_undone(row, "when it ended");
        else
                recover_until_done(row, at);
}

static void run_restore(const struct row *row, unsigned at, bool on_share, struct tally *tally)
{
        prepare_world();
        world->fault = row->fault;
        world->fault.at = at;
        world->then = row->then;
        world->then.at = at + 1 + at * 5 % 16;
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        campaign_run(&test.campaign, JOB_RESTORE, WORLD_JOB, &verdict);
        tally_add(tally, &verdict);
        check_always(&verdict);
        test.may_litter = verdict.killed || row->next_is_killed || on_share;
        if (row->next_is_killed) {
                world->fault = (struct fault){ FAULT_KILL, .at = 1 + at * 7 % RECOVERY_CALLS };
                run_recovery("20261120-3fab", false);
        }
        judge_restore(row, at, &verdict);
        if (row->fault.kind == FAULT_CANCEL && row->then.kind == FAULT_NONE &&
            streq(verdict.status, "failed"))
                world_violation("a cancelled job ended as failed: %s", verdict.error);
        tally_judge(tally, test.scenario->name, row, at, &verdict);
}

static bool run_restore_reference(struct reference *ret)
{
        static const struct row none = { .name = "none" };
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        prepare_world();
        campaign_run(&test.campaign, JOB_RESTORE, WORLD_JOB, &verdict);
        reference_take(ret);
        check_always(&verdict);
        if (streq(verdict.status, "ok"))
                judge_restore(&none, 0, &verdict);
        else
                world_violation("a restore without a fault does not end well");
        if (world->n_violations)
                printf("%s\n%s\n", world->trace, verdict.diagnostics);
        return world->n_violations == 0;
}

static int run_restores(const char *only, unsigned only_at)
{
        struct reference reference = { 0 };
        struct tally tallies[ROWS] = { 0 };
        if (!make_point() || !run_restore_reference(&reference))
                return 1;
        for (size_t i = 0; i < n_rows; i++)
                for (unsigned at = 1; at <= reference.calls; at++)
                        if (row_is_asked_for(&rows[i], only, at, only_at) &&
                            row_applies(&rows[i], &reference, at))
                                run_restore(&rows[i], at, reference.on_share[at], &tallies[i]);
        if (only_at)
                printf("%s", world->trace);
        printf("\n%s: %u calls in a restore without a fault\n", test.scenario->name,
               reference.calls);
        return tallies_print(tallies);
}

static const struct scenario *find_scenario(const char *name)
{
        for (size_t i = 0; name && i < ARRAY_LENGTH(scenarios); i++)
                if (streq(scenarios[i].name, name))
                        return &scenarios[i];
        return NULL;
}

static char *options_for_point(const char *text)
{
        const char *hole = strstr(text, "%s");
        return hole ? xasprintf("%.*s%s%s", (int)(hole - text), text, "2026-11-18-110640", hole + 2)
                    : xstrdup(text);
}

int main(int argc, char **argv)
{
        test.scenario = find_scenario(argv[1]);
        if (!test.scenario) {
                fprintf(stderr, "usage: fault-restore SCENARIO [FAULT [CALL]]\n");
                return 2;
        }
        if (!campaign_enter_namespaces()) {
                perror("SKIPPED: namespaces for mounts and processes are needed (root, or "
                       "unprivileged user namespaces)");
                return SKIPPED;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        _cleanup_free_ char *options = options_for_point(test.scenario->options);
        test.campaign = (struct campaign){ .method = "quiesce", .options = options };
        if (!campaign_make_repository(&test.campaign))
                return 2;
        int status =
                run_restores(argc > 2 ? argv[2] : NULL, argc > 3 ? (unsigned)atoi(argv[3]) : 0);
        repository_free(test.campaign.repository);
        return status;
}
