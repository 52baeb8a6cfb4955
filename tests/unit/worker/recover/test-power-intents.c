/* What a recovery does about a power state that an interrupted job announced: the owner's own power
 * state is never touched. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "scripted-host.h"
#include "worker/recover/recovery.h"

#define NOTE "orch-1a2b3c4d-20261120-3f9a.power"

struct intent_case {
        const char *name;
        const char *note; /* as the hypervisor prints it: file, what, same QEMU, age in s */
        enum domain_state state;
        bool dry_run;
        bool resumes, starts;
        bool waits; /* ERROR_BUSY, and the note stays */
        bool withdrawn;
        bool is_told;
};

static const struct intent_case cases[] = {
        { "no note", "", DOMAIN_STATE_PAUSED },
        { "paused by us, and still so", NOTE " suspend yes 30", DOMAIN_STATE_PAUSED,
          .resumes = true, .withdrawn = true, .is_told = true },
        { "only told in a dry run", NOTE " suspend yes 30", DOMAIN_STATE_PAUSED, .dry_run = true,
          .is_told = true },
        { "paused by its owner in another QEMU", NOTE " suspend no 30", DOMAIN_STATE_PAUSED,
          .withdrawn = true, .is_told = true },
        { "resumed already", NOTE " suspend yes 30", DOMAIN_STATE_RUNNING, .withdrawn = true,
          .is_told = true },
        { "off since: its next start runs", NOTE " suspend yes 30", DOMAIN_STATE_SHUT_OFF,
          .withdrawn = true, .is_told = true },
        { "shut down by us, and off", NOTE " shutdown no 300", DOMAIN_STATE_SHUT_OFF,
          .starts = true, .withdrawn = true, .is_told = true },
        { "only told in a dry run", NOTE " shutdown no 300", DOMAIN_STATE_SHUT_OFF, .dry_run = true,
          .is_told = true },
        { "still on its way down", NOTE " shutdown yes 300", DOMAIN_STATE_RUNNING, .waits = true },
        { "the last second of its time", NOTE " shutdown yes 899", DOMAIN_STATE_RUNNING,
          .waits = true },
        { "it has not heeded the request", NOTE " shutdown yes 900", DOMAIN_STATE_RUNNING,
          .withdrawn = true, .is_told = true },
        { "started again since", NOTE " shutdown no 30", DOMAIN_STATE_RUNNING, .withdrawn = true,
          .is_told = true },
        { "a line that cannot be read", NOTE " suspend", DOMAIN_STATE_PAUSED },
        { "a name that leads elsewhere", "../" NOTE " suspend yes 30", DOMAIN_STATE_PAUSED },
};

static void judge_intent(const struct intent_case *c)
{
        static char vm_name[] = "vm-1", host_name[] = "host-1", scratch[] = "/scratch";
        static char uuid[] = "0b9a7d1c-1111-4222-8333-444455556666";
        const struct scripted_answer answers[] = { { "orch-intents", c->note, 0 }, { 0 } };
        struct inventory_vm vm = { .name = vm_name, .domain = vm_name };
        struct inventory_hypervisor entry = { .name = host_name, .scratch = scratch };
        struct scripted_host host;
        struct report report;
        _cleanup_free_ char *text = NULL;
        _cleanup_error_ struct error *error = NULL;
        scripted_host_init(&host);
        host.answers = answers;
        host.state = c->state;
        report_init(&report, vm_name, NULL);
        report.daemon_gone = true;
        struct vm_job job = {
                .vm = &vm, .host = &host.base, .host_entry = &entry, .uuid = uuid, .report = &report
        };
        int r = recover_power_intents(&job, "1a2b3c4d", c->dry_run, &text, &error);
        cr_expect_eq(r, c->waits ? -1 : 0, "%s: %s", c->name, error_message(error));
        cr_expect(!c->waits || error->kind == ERROR_BUSY, "%s", c->name);
        cr_expect_eq(host.resumed, c->resumes, "%s: resumed", c->name);
        cr_expect_eq(host.started, c->starts, "%s: started", c->name);
        cr_expect_eq(strv_contains(host.ran, "rm"), c->withdrawn, "%s: the note", c->name);
        cr_expect_eq(text != NULL, c->is_told, "%s: %s", c->name, text ? text : "nothing");
        report_done(&report);
        scripted_host_done(&host);
}

Test(power_intents, each_note_by_what_the_vm_does_now)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_intent(&cases[i]);
}
