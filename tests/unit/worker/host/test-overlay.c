/* An overlay and the markers beside it, over a scripted host. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"
#include "scripted-host.h"
#include "worker/host/deadman.h"
#include "worker/host/overlay.h"
#include "worker/host/scripts.h"
#include "worker/job/names.h"

static const char overlay[] = "/i/a.qcow2.orch-1a2b3c4d-20261120-3f9a";
static const char uuid[] = "3bdc01b5-b549-423b-adb3-9aa2596f3e7f";

static struct overlay_facts look(const char *output)
{
        struct scripted_host host;
        scripted_host_init(&host);
        host.output = output;
        struct overlay_facts facts = {
                .exists = true, .committed = true, .pivoting = true, .same_qemu = true
        };
        cr_assert_eq(overlay_look(&host.base, uuid, overlay, &facts, NULL), 0);
        scripted_host_done(&host);
        return facts;
}

Test(overlay, what_its_markers_say)
{
        struct overlay_facts none = look("");
        cr_assert(!none.exists && !none.committed && !none.pivoting && !none.same_qemu);
        struct overlay_facts ours = look("exists\npivoting\nsame");
        cr_assert(ours.exists && !ours.committed && ours.pivoting && ours.same_qemu);
        struct overlay_facts another = look("exists\npivoting");
        cr_assert(another.pivoting && !another.same_qemu);
        struct overlay_facts gone = look("committed\n");
        cr_assert(!gone.exists && gone.committed);
        cr_assert_not(look("uncommitted\nexistsnot").committed, "words are whole lines");
}

Test(overlay, a_host_that_does_not_answer_is_no_missing_overlay)
{
        struct scripted_host host;
        scripted_host_init(&host);
        host.broken = true;
        host.fails = ERROR_UNREACHABLE;
        struct overlay_facts facts;
        struct error *error = NULL;
        cr_assert_eq(overlay_look(&host.base, uuid, overlay, &facts, &error), -1);
        cr_assert_eq(error->kind, ERROR_UNREACHABLE);
        error_free(error);
        scripted_host_done(&host);
}

static int ask(const char *output, char **base, char **format)
{
        struct scripted_host host;
        scripted_host_init(&host);
        host.output = output;
        struct error *error = NULL;
        int r = overlay_ask_base(&host.base, overlay, base, format, &error);
        cr_assert(r == 0 || error->kind == ERROR_CORRUPT);
        error_free(error);
        scripted_host_done(&host);
        return r;
}

Test(overlay, its_own_header_names_its_base)
{
        char *base = NULL;
        char *format = NULL;
        cr_assert_eq(ask("{\"full-backing-filename\": \"/i/a.qcow2\", \"backing-filename-format\": "
                         "\"qcow2\"}",
                         &base, &format),
                     0);
        cr_assert_str_eq(base, "/i/a.qcow2");
        cr_assert_str_eq(format, "qcow2");
        free(base);
        free(format);
        static const char *const bad[] = { "", "{}", "[]", "{\"full-backing-filename\": 7}",
                                           "{\"full-backing-filename\": \"nbd://x\"}" };
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                cr_assert_eq(ask(bad[i], &base, &format), -1, "%s", bad[i]);
}

Test(overlay, the_unit_that_works_on_it_carries_its_tag)
{
        char *unit = names_overlay_unit(overlay);
        cr_assert_str_eq(unit, "orch-1a2b3c4d-20261120-3f9a-commit");
        free(unit);
}

/* The real shell function, against the processes of this machine: this test's own, under a name for
 * its argument. */
Test(overlay, a_qemu_is_known_by_its_uuid_argument)
{
        static const char questions[] =
                "d=$(mktemp -d); mkfifo $d/f; sh -c 'read x' qemu -uuid \"$1\" <>$d/f & p=$!\n"
                "i=0; while [ -z \"$(qemu_id \"$1\")\" ] && [ $i -lt 100 ]; do i=$((i+1)); sleep "
                "0.02; done\n"
                "a=$(qemu_id \"$1\"); b=$(qemu_id \"${1}0\"); kill $p; wait $p 2>/dev/null; rm -r "
                "$d\n"
                "case $a in $p:*[0-9]:*[0-9a-f]) [ -z \"$b\" ] && [ -z \"$(qemu_id \"$1\")\" ];; "
                "*) exit 1;; esac\n";
        char *script = xasprintf("%s\n%s", qemu_id_script, questions);
        const char *const argv[] = { "sh", "-c", script, "test", uuid, NULL };
        char *command = shell_join(argv);
        cr_assert_eq(system(command), 0);
        free(command);
        free(script);
}

Test(deadman, what_is_left_of_earlier_ones)
{
        struct scripted_host host;
        scripted_host_init(&host);
        host.output =
                "armed orch-1a2b3c4d-20261120-0001\nfired orch-1a2b3c4d-20261120-0002\nforeign "
                "orch-ffffffff-20261120-0003\nnoise\n";
        struct deadman_traces traces = { 0 };
        cr_assert_eq(deadman_find(&host.base, "1a2b3c4d", uuid, &traces, NULL), 0);
        cr_assert_str_eq(traces.armed[0], "orch-1a2b3c4d-20261120-0001");
        cr_assert_str_eq(traces.fired[0], "orch-1a2b3c4d-20261120-0002");
        cr_assert_str_eq(traces.foreign[0], "orch-ffffffff-20261120-0003");
        cr_assert_eq(strv_length(traces.armed) + strv_length(traces.fired) +
                             strv_length(traces.foreign),
                     3);
        cr_assert_str_eq(host.argv[5], uuid);
        deadman_traces_done(&traces);
        scripted_host_done(&host);
}

static bool is_unwritten(const char *output)
{
        struct scripted_host host;
        scripted_host_init(&host);
        host.output = output;
        bool unwritten = false;
        cr_assert_eq(overlay_is_unwritten(&host.base, overlay, &unwritten, NULL), 0);
        scripted_host_done(&host);
        return unwritten;
}

#define NOTHING                                                                                  \
        "{\"start\": 0, \"length\": 8388608, \"depth\": 0, \"present\": false, \"zero\": true, " \
        "\"data\": false}"

Test(overlay, only_one_without_a_single_cluster_is_unwritten)
{
        cr_expect(is_unwritten("[" NOTHING "]\n"));
        cr_expect(is_unwritten("[" NOTHING ",\n" NOTHING "]\n"));
        static const char *const others[] = {
                "[" NOTHING ", {\"start\": 1, \"length\": 1, \"depth\": 0, \"present\": true, "
                "\"zero\": true, \"data\": false}]",
                /* an old QEMU */
                "[{\"start\": 0, \"length\": 1, \"depth\": 0, \"zero\": true, \"data\": false}]",
                "[" NOTHING ", ",
                "[]",
                "{}",
                "unknown\n",
                "",
        };
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
                cr_expect_not(is_unwritten(others[i]), "%s", others[i]);
}
