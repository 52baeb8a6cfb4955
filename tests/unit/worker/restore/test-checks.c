/* What has to be true of the target before a byte is copied to it. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "restore-fixture.h"

/* Two folders on two file systems, with 100 and 90 GiB free. */
#define MOUNTED "mount\tnfs4\nuuid\t" FIXTURE_SHARE_UUID "\n"
#define ROOMY "folder\t107374182400\nfolder\t96636764160\n"

struct check_case {
        const char *name;
        bool beside, replaces; /* else the original is gone */
        bool start;
        const char *probe;
        const char *paths; /* what lies at vda, vdb, NVRAM; NULL: nothing */
        bool no_network, inactive_network;
        enum check_name fails; /* NONE: nothing */
        enum error_kind kind;
        bool sets_nvram_aside;
};

#define FAILS(check, error_kind) .fails = CHECK_NAME_##check, .kind = ERROR_##error_kind

static const struct check_case cases[] = {
        { "all is well" },
        { "the share is not mounted", .probe = "mount\t\n" ROOMY,
          FAILS(SHARE_ON_HYPERVISOR, REFUSED) },
        { "another share",
          .probe = "mount\tnfs4\nuuid\t99999999-1111-4222-8333-444455556666\n" ROOMY,
          FAILS(SHARE_ON_HYPERVISOR, REFUSED) },
        { "a tool is missing", .probe = MOUNTED "missing\tqemu-img\n" ROOMY,
          FAILS(HOST_TOOLS, CONFIG) },
        { "a folder is missing", .probe = MOUNTED "folder\t107374182400\nfolder\t\n",
          FAILS(ROOM, CONFIG) },
        { "the disk and what is to stay free, exactly",
          .probe = MOUNTED "folder\t16106127360\nfolder\t107374182400\n" },
        { "a byte less", .probe = MOUNTED "folder\t16106127359\nfolder\t107374182400\n",
          FAILS(ROOM, NOSPACE) },
        { "both disks on one file system",
          .probe = MOUNTED "folder\t21474836480\nfolder\t21474836480\n" },
        { "both, a byte less", .probe = MOUNTED "folder\t21474836479\nfolder\t21474836479\n",
          FAILS(ROOM, NOSPACE) },
        { "a file lies in the way", .paths = "f--", FAILS(PATHS_FREE, REFUSED) },
        { "whatever lies in the way", .paths = "-o-", FAILS(PATHS_FREE, REFUSED) },
        { "the replaced VM's own file is set aside", .replaces = true, .paths = "ff-" },
        { "NVRAM of the machine that is gone is set aside", .paths = "--f",
          .sets_nvram_aside = true },
        { "NVRAM of the replaced VM is set aside", .replaces = true, .paths = "fff",
          .sets_nvram_aside = true },
        { "NVRAM of a namesake is not", .beside = true, .paths = "--f", FAILS(PATHS_FREE, REFUSED),
          .sets_nvram_aside = true },
        { "the network is missing", .no_network = true, FAILS(NETWORKS, REFUSED) },
        { "beside: it has no network", .beside = true, .no_network = true },
        { "an inactive network, of a VM that is started", .start = true, .inactive_network = true,
          FAILS(NETWORKS, REFUSED) },
        { "an inactive network, of one that stays off", .inactive_network = true },
};

/* The questions in their order: the paths of disks and firmware, then what the definition needs,
 * of which there is nothing. */
static void give_paths(struct restore_fixture *fixture, const struct check_case *c)
{
        static const char *const networks[] = { "office", NULL }, *const none[] = { NULL };
        fixture->host.networks = c->no_network ? none : networks;
        fixture->host.networks_are_inactive = c->inactive_network;
        fixture->restore.options.start = c->start;
        fixture->settings.checks.hypervisor_low_water_gib = 10;
}

/* The first question is for three paths; of the others, for none, the answer has to be empty. */
static int answer_look(struct hypervisor *hypervisor, const char *const argv[],
                       const struct exec_options *options, struct exec_result *ret,
                       struct error **err)
{
        struct scripted_host *host = (struct scripted_host *)hypervisor;
        const struct scripted_answer nothing[] = { { "orch-look", "", 0 }, { 0 } };
        const struct scripted_answer *answers = host->answers;
        bool asks_for_none = strv_length((char *const *)(uintptr_t)argv) == 4;
        if (asks_for_none)
                host->answers = nothing;
        int r = scripted_host_exec(hypervisor, argv, options, ret, err);
        host->answers = answers;
        return r;
}

static enum check_name failed_restore_check(const struct metadata *metadata)
{
        for (size_t i = 0; i < metadata->n_checks; i++)
                if (metadata->checks[i].verdict == CHECK_FAIL)
                        return check_name_parse(metadata->checks[i].name);
        return CHECK_NAME_NONE;
}

static void judge_restore_checks(const struct check_case *c)
{
        struct restore_fixture fixture;
        _cleanup_error_ struct error *error = NULL;
        restore_fixture_init(&fixture);
        if (c->beside)
                restore_fixture_beside(&fixture, "look");
        if (c->replaces)
                restore_fixture_replace(&fixture, "/images/a.qcow2");
        cr_assert_eq(restore_plan(&fixture.restore, NULL), 0);
        give_paths(&fixture, c);
        const struct scripted_answer answers[] = {
                { "orch-probe", c->probe ? c->probe : MOUNTED ROOMY, 0 },
                { "orch-look", c->paths ? c->paths : "---", 0 },
                { 0 },
        };
        struct hypervisor_operations ops = *fixture.host.base.ops;
        ops.exec = answer_look;
        fixture.host.base.ops = &ops;
        fixture.host.answers = answers;
        int r = restore_check(&fixture.restore, &error);
        cr_expect_eq(r, c->fails ? -1 : 0, "%s: %s", c->name, error_message(error));
        cr_expect_eq(failed_restore_check(fixture.metadata), c->fails, "%s: failed is %s", c->name,
                     check_name_text(failed_restore_check(fixture.metadata)));
        cr_expect(!c->fails || (error && error->kind == c->kind), "%s: %s", c->name,
                  error_message(error));
        cr_expect_eq(fixture.restore.nvram.replaces, c->sets_nvram_aside, "%s", c->name);
        restore_fixture_done(&fixture);
}

Test(restore_checks, each_case_fails_its_own_check_or_none)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_restore_checks(&cases[i]);
}
