/* The undoing of a restore that was to replace a machine, broken off at each of its calls and taken
 * up again from what the share says then: the machine that was put back is never taken for the new
 * one. The files are real, the domain is one of a model. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/local-host.h"
#include "worker/restore/restore-internal.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define OLD "the original"
#define NEW "the restored one"

/* One domain slot: both machines have one UUID. */
struct model {
        struct hypervisor base;
        struct hypervisor *local;
        struct repository *repository;
        char *defined; /* NULL: none */
        bool runs;
        unsigned calls;
        unsigned fails_at; /* from this call on, nothing is reached; 0: never */
        unsigned ended_original;
};

static int called(struct hypervisor *hypervisor, struct error **err)
{
        struct model *model = (struct model *)hypervisor;
        model->calls++;
        return model->fails_at && model->calls >= model->fails_at
                       ? error_set(err, ERROR_UNREACHABLE, "broken off on purpose")
                       : 0;
}

static int run(struct hypervisor *hypervisor, const char *const argv[],
               const struct exec_options *options, struct exec_result *ret, struct error **err)
{
        struct model *model = (struct model *)hypervisor;
        return called(hypervisor, err) < 0
                       ? -1
                       : model->local->ops->exec(model->local, argv, options, ret, err);
}

static int stop_unit(struct hypervisor *hypervisor, const char *unit _unused_, struct error **err)
{
        return called(hypervisor, err);
}

static int find_domain(struct hypervisor *hypervisor, const char *uuid _unused_,
                       const char *name _unused_, struct domain_info *ret, struct error **err)
{
        const struct model *model = (const struct model *)hypervisor;
        if (called(hypervisor, err) < 0)
                return -1;
        if (!model->defined)
                return 0;
        *ret = (struct domain_info){ .uuid = xstrdup(UUID),
                                     .name = xstrdup("vm"),
                                     .persistent = true };
        ret->state = model->runs ? DOMAIN_STATE_RUNNING : DOMAIN_STATE_SHUT_OFF;
        return 1;
}

static int destroy(struct hypervisor *hypervisor, const char *uuid _unused_, struct error **err)
{
        struct model *model = (struct model *)hypervisor;
        if (called(hypervisor, err) < 0)
                return -1;
        model->ended_original += streq(model->defined, OLD);
        model->runs = false;
        return 0;
}

static int undefine(struct hypervisor *hypervisor, const char *uuid _unused_, struct error **err)
{
        struct model *model = (struct model *)hypervisor;
        if (called(hypervisor, err) < 0)
                return -1;
        free(model->defined);
        model->defined = NULL;
        return 0;
}

static int define(struct hypervisor *hypervisor, const char *xml, char **ret_uuid _unused_,
                  struct error **err)
{
        if (called(hypervisor, err) < 0)
                return -1;
        xstrdup_replace(&((struct model *)hypervisor)->defined, xml);
        return 0;
}

/* Broken off right after it, the undoing must have nothing left but this. */
static int start(struct hypervisor *hypervisor, const char *uuid _unused_, bool paused _unused_,
                 struct error **err)
{
        struct model *model = (struct model *)hypervisor;
        _cleanup_restore_journals_ struct restore_journals list = { 0 };
        if (called(hypervisor, err) < 0)
                return -1;
        cr_assert_eq(restores_scan(model->repository, NULL, &list, NULL), 0);
        cr_assert_eq(list.count, 1);
        cr_assert_eq(list.items[0]->phase, RESTORE_STOPPING,
                     "the original is started in the phase %d", (int)list.items[0]->phase);
        model->runs = true;
        return 0;
}

static const struct hypervisor_operations operations = {
        .exec = run,
        .stop_unit = stop_unit,
        .find_domain = find_domain,
        .destroy = destroy,
        .undefine = undefine,
        .define = define,
        .start = start,
};

static char folder[] = "/tmp/orch-undo-XXXXXX";

static void write_text(const char *path, const char *text)
{
        cr_assert_eq(fs_write_file(path, 0600, text, strlen(text), NULL), 0);
}

static void expect_text(const char *name, const char *text)
{
        _cleanup_free_ char *path = path_join(folder, name);
        _cleanup_free_ char *found = fs_read_file(path, 1000, NULL, NULL);
        cr_assert_str_eq(found ? found : "(none)", text, "%s", name);
}

static struct repository *make_repository(void)
{
        _cleanup_free_ char *share = NULL;
        _cleanup_free_ char *uuid = NULL;
        _cleanup_error_ struct error *error = NULL;
        if (geteuid() != 0)
                cr_skip_test("SKIPPED: a share of its own needs root to mount it");
        cr_assert(mkdtemp(folder));
        cr_assert_eq(unshare(CLONE_NEWNS), 0);
        cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL), 0);
        cr_assert_eq(mount("tmpfs", folder, "tmpfs", 0, NULL), 0);
        share = path_join(folder, "share");
        cr_assert_eq(fs_make_dirs(share, NULL), 0);
        cr_assert_eq(mount("tmpfs", share, "tmpfs", 0, NULL), 0);
        cr_assert_eq(repository_init(share, REPOSITORY_FSTYPE_ANY, &uuid, &error), 0, "%s",
                     error_message(error));
        struct repository *repository = repository_open(share, REPOSITORY_FSTYPE_ANY, &error);
        cr_assert(repository, "%s", error_message(error));
        return repository;
}

/* The restored machine is in the original's place, and runs. */
static void take_apart(struct repository *repository, struct model *model)
{
        _cleanup_free_ char *path = path_join(folder, "disk");
        _cleanup_free_ char *aside = path_join(folder, "disk.replaced-orch-1");
        _cleanup_free_ char *temporary = path_join(folder, ".disk.orch-1.restoring");
        struct restore_journal *journal = xcalloc(1, sizeof *journal);
        *journal = (struct restore_journal){
                .job = xstrdup("20261120-0001"),
                .tag = xstrdup("orch-1"),
                .vm = xstrdup("vm"),
                .point = xstrdup("h/vm/p"),
                .hypervisor = xstrdup("h"),
                .uuid = xstrdup(UUID),
                .name = xstrdup("vm"),
                .phase = RESTORE_STARTING,
                .original_hypervisor = xstrdup("h"),
                .original_uuid = xstrdup(UUID),
                .original_file = xstrdup("20261120-0001-original.xml"),
                .original_ran = true,
        };
        write_text(aside, OLD);
        write_text(path, NEW);
        struct stat st;
        cr_assert_eq(stat(path, &st), 0);
        restore_journal_add_item(journal, temporary, path);
        journal->items[0].inode = st.st_ino;
        restore_journal_add_aside(journal, path, aside);
        cr_assert_eq(restores_write_original(repository, journal, OLD, NULL), 0);
        cr_assert_eq(restores_write(repository, journal, NULL), 0);
        restore_journal_free(journal);
        xstrdup_replace(&model->defined, NEW);
        model->runs = true;
}

/* As a recovery does. False: broken off. */
static bool undo(struct repository *repository, struct model *model)
{
        _cleanup_restore_journals_ struct restore_journals list = { 0 };
        struct report report;
        cr_assert_eq(restores_scan(repository, NULL, &list, NULL), 0);
        cr_assert_eq(list.count, 1, "the journal goes last");
        if (list.items[0]->phase == RESTORE_STARTING && model->runs)
                cr_assert_str_eq(model->defined, NEW,
                                 "a recovery would take the original for the restored machine");
        report_init(&report, "vm", NULL);
        _cleanup_error_ struct error *error = NULL;
        int r = restore_roll_back(repository, list.items[0], &model->base, &model->base, &report,
                                  &error);
        report_done(&report);
        cr_assert(r == 0 || error->kind == ERROR_UNREACHABLE, "%s", error_message(error));
        return r == 0;
}

Test(restore_undo, broken_off_at_each_call_and_taken_up_again)
{
        struct repository *repository = make_repository();
        struct model model = { .base = { .ops = &operations, .name = xstrdup("h") },
                               .local = local_host_new(),
                               .repository = repository };
        unsigned count = 0;
        for (bool whole = false; !whole;) {
                take_apart(repository, &model);
                model.calls = 0;
                model.fails_at = ++count;
                whole = undo(repository, &model);
                model.fails_at = 0;
                if (!whole)
                        cr_assert(undo(repository, &model), "broken off at call %u", count);
                cr_assert_str_eq(model.defined, OLD, "broken off at call %u", count);
                cr_assert(model.runs);
                cr_assert_eq(model.ended_original, 0,
                             "the original is not powered off once it runs again (call %u)", count);
                expect_text("disk", OLD);
                expect_text("disk.replaced-orch-1", "(none)");
        }
        cr_assert_gt(count, 5);
        free(model.defined);
        free(model.base.name);
        hypervisor_free(model.local);
        repository_free(repository);
        cr_assert_eq(umount2(folder, MNT_DETACH), 0);
        cr_assert_eq(rmdir(folder), 0);
}
