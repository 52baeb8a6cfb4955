/* What is seen of a point that somebody touched. */
#include "repository/fingerprint.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "share-fixture.h"

enum { STARTED = 1769983215 };

struct fixture {
        struct repository *repository;
        char *path;
        struct fingerprint before;
};

static void fixture_done(struct fixture *fixture)
{
        fingerprint_done(&fixture->before);
        free(fixture->path);
        repository_free(fixture->repository);
}

static struct fixture set_up(void)
{
        struct fixture fixture = { .repository = share_repository(64) };
        _cleanup_free_ char *name = publish_sample(fixture.repository, STARTED);
        fixture.path = xasprintf("host-1/vm-1/%s", name);
        _cleanup_error_ struct error *err = NULL;
        cr_assert_eq(
                fingerprint_take(fixture.repository, fixture.path, NULL, &fixture.before, &err), 0,
                "%s", error_message(err));
        return fixture;
}

/* What a change to the point makes of the comparison; NULL: no difference. */
static char *after(const struct fixture *fixture, const char *change)
{
        struct fingerprint now = { 0 };
        _cleanup_error_ struct error *err = NULL;
        cr_assert_eq(shell("cd " SHARE "/%s && %s", fixture->path, change), 0);
        cr_assert_eq(fingerprint_take(fixture->repository, fixture->path, NULL, &now, &err), 0,
                     "%s", error_message(err));
        char *difference = fingerprint_compare(&fixture->before, &now);
        fingerprint_done(&now);
        return difference;
}

Test(fingerprint, sees_whatever_was_done_to_a_file, .fini = share_unmount)
{
        static const struct {
                const char *change;
                const char *says;
        } cases[] = {
                { "echo >more", "more was not there before" },
                { "rm more && chown 1:0 vm-1-vda.qcow2",
                  "the owner of vm-1-vda.qcow2 was 0:0 and is 1:0" },
                { "chown 0:0 vm-1-vda.qcow2 && chmod 0644 vm-1-vda.qcow2",
                  "the mode of vm-1-vda.qcow2" },
                { "chmod 0600 vm-1-vda.qcow2 && chmod 0777 .", "the mode of ." },
                { "chmod 0750 . && touch vm-1-vda.qcow2", "vm-1-vda.qcow2 was written to" },
        };
        _cleanup_(fixture_done) struct fixture fixture = set_up();
        _cleanup_free_ char *same = after(&fixture, "cat vm-1-vda.qcow2 >/dev/null");
        cr_assert_null(same, "%s", same);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *difference = after(&fixture, cases[i].change);
                cr_assert(difference && strstr(difference, cases[i].says), "%s: %s",
                          cases[i].change, difference);
        }
}

/* Owner and mode put back leave a trace. */
Test(fingerprint, sees_a_file_that_was_touched_and_put_back, .fini = share_unmount)
{
        _cleanup_(fixture_done) struct fixture fixture = set_up();
        _cleanup_free_ char *difference =
                after(&fixture, "chown 1 vm-1-vda.qcow2 && chown 0 vm-1-vda.qcow2");
        cr_assert_str_eq(
                difference,
                "the ctime of vm-1-vda.qcow2 has changed: its owner, mode, label or name was set");
}

Test(fingerprint, leaves_out_what_is_written_later, .fini = share_unmount)
{
        _cleanup_(fixture_done) struct fixture fixture = set_up();
        struct point_state state = { .held = true };
        cr_assert_eq(points_write_state(fixture.repository, fixture.path, &state, NULL), 0);
        cr_assert_eq(
                points_write_proof(fixture.repository, fixture.path, "serial.log", "x", 1, NULL),
                0);
        _cleanup_free_ char *difference = after(
                &fixture,
                "test \"$(cat proof/serial.log)\" = x && sha256sum --quiet -c checksums.sha256");
        cr_assert_null(difference, "%s", difference);
        cr_assert_eq(
                points_write_proof(fixture.repository, fixture.path, "serial.log", NULL, 0, NULL),
                0);
        cr_assert_neq(access(SHARE "/host-1/vm-1", F_OK), -1);
        cr_assert_eq(shell("test ! -e " SHARE "/%s/proof/serial.log", fixture.path), 0);
}

Test(fingerprint, is_none_of_a_damaged_point, .fini = share_unmount)
{
        static const char *const damages[] = {
                "printf X | dd of=vm-1-vda.qcow2 conv=notrunc bs=1 seek=4096 status=none",
                "rm vm-1-vda.qcow2", "rm checksums.sha256"
        };
        _cleanup_(fixture_done) struct fixture fixture = set_up();
        for (size_t i = 0; i < ARRAY_LENGTH(damages); i++) {
                cr_assert_eq(shell("cd " SHARE "/%s && cp -a . /tmp/orch-fingerprint.$PPID && %s",
                                   fixture.path, damages[i]),
                             0);
                struct fingerprint now = { 0 };
                _cleanup_error_ struct error *err = NULL;
                int r = fingerprint_take(fixture.repository, fixture.path, NULL, &now, &err);
                cr_expect_eq(shell("cp -a /tmp/orch-fingerprint.$PPID/. " SHARE
                                   "/%s && rm -r /tmp/orch-fingerprint.$PPID",
                                   fixture.path),
                             0);
                cr_assert_eq(r, -1, "%s", damages[i]);
                cr_assert_eq(err->kind, ERROR_CORRUPT, "%s: %s", damages[i], err->message);
        }
}
