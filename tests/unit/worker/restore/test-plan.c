/* Where each disk of a restored machine goes, and under which UUID. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "restore-fixture.h"

struct plan_case {
        const char *name;
        /* what is asked for */
        const char *beside;   /* the name of a machine beside the original */
        const char *replaces; /* where the original has vda now */
        const char *images;
        const char *format;
        bool instant;
        const char *folders; /* what the folders of vda and vdb are there: 'd', '-' */
        /* what is planned */
        const char *vda, *vda_format, *vdb, *vdb_format;
        const char *vda_aside; /* the original's file that gives way */
        const char *nvram;
};

static const struct plan_case cases[] = {
        { "the original is gone: where it was", .folders = "dd", .vda = "/images/a.qcow2",
          .vda_format = "qcow2", .vdb = "/data/b.img", .vdb_format = "raw",
          .nvram = "/nvram/vm-1_VARS.fd" },
        { "a folder that is gone: the scratch folder", .folders = "d-", .vda = "/images/a.qcow2",
          .vda_format = "qcow2", .vdb = "/scratch/vm-1-vdb.raw", .vdb_format = "raw",
          .nvram = "/nvram/vm-1_VARS.fd" },
        { "what is a file now is no folder", .folders = "fd", .vda = "/scratch/vm-1-vda.qcow2",
          .vda_format = "qcow2", .vdb = "/data/b.img", .vdb_format = "raw",
          .nvram = "/nvram/vm-1_VARS.fd" },
        { "another format: another name", .format = "qcow2", .folders = "dd",
          .vda = "/images/a.qcow2", .vda_format = "qcow2", .vdb = "/data/vm-1-vdb.qcow2",
          .vdb_format = "qcow2", .nvram = "/nvram/vm-1_VARS.fd" },
        { "raw, asked for", .format = "raw", .folders = "dd", .vda = "/images/vm-1-vda.raw",
          .vda_format = "raw", .vdb = "/data/b.img", .vdb_format = "raw",
          .nvram = "/nvram/vm-1_VARS.fd" },
        { "an instant one stands on the point: qcow2", .instant = true, .folders = "dd",
          .vda = "/images/a.qcow2", .vda_format = "qcow2", .vdb = "/data/vm-1-vdb.qcow2",
          .vdb_format = "qcow2", .nvram = "/nvram/vm-1_VARS.fd" },
        { "--images: all of them there", .images = "/other", .folders = "dd",
          .vda = "/other/vm-1-vda.qcow2", .vda_format = "qcow2", .vdb = "/other/vm-1-vdb.raw",
          .vdb_format = "raw", .nvram = "/nvram/vm-1_VARS.fd" },
        { "--images: a pool", .images = "fast", .folders = "dd", .vda = "/pool/vm-1-vda.qcow2",
          .vda_format = "qcow2", .vdb = "/pool/vm-1-vdb.raw", .vdb_format = "raw",
          .nvram = "/nvram/vm-1_VARS.fd" },
        { "beside: names of its own, in the same folders", .beside = "look", .folders = "dd",
          .vda = "/images/look-vda.qcow2", .vda_format = "qcow2", .vdb = "/data/look-vdb.raw",
          .vdb_format = "raw", .nvram = "/nvram/look_VARS.fd" },
        { "replaced: over the file, which is set aside", .replaces = "/images/a.qcow2",
          .folders = "dd", .vda = "/images/a.qcow2", .vda_format = "qcow2", .vdb = "/data/b.img",
          .vdb_format = "raw", .vda_aside = "/images/a.qcow2", .nvram = "/nvram/vm-1_VARS.fd" },
        { "replaced, and moved since: where it is now", .replaces = "/ssd/a.qcow2", .folders = "--",
          .vda = "/ssd/a.qcow2", .vda_format = "qcow2", .vdb = "/data/b.img", .vdb_format = "raw",
          .vda_aside = "/ssd/a.qcow2", .nvram = "/nvram/vm-1_VARS.fd" },
        { "replaced, with --images: set aside all the same", .replaces = "/images/a.qcow2",
          .images = "/other", .folders = "dd", .vda = "/other/vm-1-vda.qcow2",
          .vda_format = "qcow2", .vdb = "/other/vm-1-vdb.raw", .vdb_format = "raw",
          .vda_aside = "/images/a.qcow2", .nvram = "/nvram/vm-1_VARS.fd" },
};

static void ask_for(struct restore_fixture *fixture, const struct plan_case *c)
{
        struct restore_options *options = &fixture->restore.options;
        if (c->beside)
                restore_fixture_beside(fixture, c->beside);
        if (c->replaces)
                restore_fixture_replace(fixture, c->replaces);
        options->images = c->images ? xstrdup(c->images) : NULL;
        options->format = c->format ? xstrdup(c->format) : NULL;
        options->instant = c->instant;
        fixture->host.output = c->folders;
        fixture->host.pool_xml = "<pool type='dir'><name>fast</name><target><path>/pool</path>"
                                 "</target></pool>";
}

static void expect_disk(const struct plan_case *c, const struct restore_disk *disk,
                        const char *path, const char *format)
{
        cr_expect_str_eq(disk->path, path, "%s: %s", c->name, disk->path);
        cr_expect_str_eq(disk->format, format, "%s: %s", c->name, disk->format);
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *start = xasprintf("%.*s/.", (int)(slash - path), path);
        cr_expect(str_starts_with(disk->temporary, start) &&
                          str_ends_with(disk->temporary, ".restoring"),
                  "%s: the copy goes to %s, which cannot be renamed to %s", c->name,
                  disk->temporary, path);
}

static void judge_plan(const struct plan_case *c)
{
        struct restore_fixture fixture;
        _cleanup_error_ struct error *error = NULL;
        restore_fixture_init(&fixture);
        ask_for(&fixture, c);
        struct restore *restore = &fixture.restore;
        cr_assert_eq(restore_plan(restore, &error), 0, "%s: %s", c->name, error_message(error));
        cr_assert_eq(restore->n_disks, 2);
        expect_disk(c, &restore->disks[0], c->vda, c->vda_format);
        expect_disk(c, &restore->disks[1], c->vdb, c->vdb_format);
        cr_expect(streq(restore->disks[0].replaced, c->vda_aside), "%s: set aside is %s", c->name,
                  restore->disks[0].replaced ? restore->disks[0].replaced : "nothing");
        cr_expect_str_eq(restore->nvram.path, c->nvram, "%s", c->name);
        cr_expect_eq(streq(restore->job.uuid, FIXTURE_UUID), c->beside == NULL,
                     "%s: a machine beside the original has a UUID of its own", c->name);
        cr_expect_eq(restore->disks[0].needed_bytes, UINT64_C(5) << 30);
        restore_fixture_done(&fixture);
}

Test(restore_plan, each_disk_has_its_place)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_plan(&cases[i]);
}

static enum error_kind plan_fails(struct restore_fixture *fixture, const char *part)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(restore_plan(&fixture->restore, &error), -1);
        cr_expect(strstr(error->message, part), "%s", error->message);
        enum error_kind kind = error->kind;
        restore_fixture_done(fixture);
        return kind;
}

Test(restore_plan, what_is_not_there_is_named)
{
        struct restore_fixture fixture;
        restore_fixture_init(&fixture);
        strv_add(&fixture.restore.options.disks, "vdz");
        cr_expect_eq(plan_fails(&fixture, "it has: vda, vdb"), ERROR_CONFIG);
        restore_fixture_init(&fixture);
        fixture.restore.options.images = xstrdup("nowhere");
        cr_expect_eq(plan_fails(&fixture, "no storage pool named nowhere"), ERROR_CONFIG);
        restore_fixture_init(&fixture);
        fixture.host.output = "d";
        cr_expect_eq(plan_fails(&fixture, "cannot be read"), ERROR_INTERNAL);
        restore_fixture_init(&fixture);
        fixture.host.broken = true;
        fixture.host.fails = ERROR_UNREACHABLE;
        cr_expect_eq(plan_fails(&fixture, "on purpose"), ERROR_UNREACHABLE);
}

/* A disk that is not restored stays in a replaced VM, as long as it is still what was saved. */
Test(restore_plan, disks_that_are_not_asked_for_are_kept_where_they_are_the_same)
{
        for (int moved = 0; moved < 2; moved++) {
                struct restore_fixture fixture;
                _cleanup_error_ struct error *error = NULL;
                restore_fixture_init(&fixture);
                restore_fixture_replace(&fixture, moved ? "/ssd/a.qcow2" : "/images/a.qcow2");
                strv_add(&fixture.restore.options.disks, "vdb");
                cr_assert_eq(restore_plan(&fixture.restore, &error), 0, "%s", error_message(error));
                cr_expect_eq(fixture.restore.n_disks, 1);
                cr_expect_eq(strv_length(fixture.restore.keep), moved ? 0 : 1);
                restore_fixture_done(&fixture);
        }
}

Test(restore_plan, a_point_of_the_configuration_alone_makes_no_machine)
{
        struct restore_fixture fixture;
        restore_fixture_init(&fixture);
        size_t n_disks = fixture.metadata->n_disks;
        fixture.metadata->n_disks = 0;
        fixture.host.output = "";
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(restore_plan(&fixture.restore, &error), -1);
        cr_expect_eq(error->kind, ERROR_REFUSED, "%s", error->message);
        fixture.metadata->n_disks = n_disks;
        restore_fixture_done(&fixture);
}
