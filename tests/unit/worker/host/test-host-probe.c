/* What a hypervisor answers to all that is asked of it at once, and answers that are strange. */
#include "worker/host/host-probe.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/child.h"
#include "base/strings.h"
#include "scripted-host.h"

static char *folders[] = { (char[]){ "/images" }, NULL };
static char *files[] = { (char[]){ "/images/a" }, (char[]){ "/images/b" }, NULL };

static int probe(struct scripted_host *host, const char *repository, struct host_probe *ret,
                 struct error **err)
{
        const struct host_probe_request request = { .repository = repository,
                                                    .tag = "orch-1a2b3c4d-20261120-3f9a",
                                                    .write_test = true,
                                                    .folders = folders,
                                                    .files = files };
        return host_probe_run(&host->base, &request, ret, err);
}

Test(host_probe, an_answer_is_read_line_by_line_and_strange_lines_are_left_out)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        host.output =
                "a motd without a "
                "tab\nkernel\t6.12.0\nmissing\tsetsid\nmissing\tqemu-"
                "img\nfolder\t1000\nfile\t10\nfile\t\nmount\tnfs4\nuuid\t1a2b\n"
                "share\t18446744073709551615\nwrite\tcannot \033[1mcreate\nsomething new\tx\n";
        _cleanup_(host_probe_done) struct host_probe found = { 0 };
        cr_assert_eq(probe(&host, "/mnt/backup", &found, NULL), 0);
        cr_assert_str_eq(found.kernel, "6.12.0");
        cr_assert_eq(strv_length(found.missing_tools), 2);
        cr_assert_eq(found.folder_free_bytes[0], 1000);
        cr_assert_eq(found.file_bytes[0], 10);
        cr_assert_eq(found.file_bytes[1], 0, "a size that could not be told");
        cr_assert_str_eq(found.mount_type, "nfs4");
        cr_assert_str_eq(found.repository_uuid, "1a2b");
        cr_assert_eq(found.share_free_bytes, UINT64_MAX);
        cr_assert_str_eq(found.write_problem, "cannot ?[1mcreate");
}

Test(host_probe, no_mount_no_room_told_no_tool_missing)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        host.output = "folder\tnonsense\nfile\t1\nfile\t2\nmount\t\n";
        _cleanup_(host_probe_done) struct host_probe found = { 0 };
        cr_assert_eq(probe(&host, "/mnt/backup", &found, NULL), 0);
        cr_assert_null(found.mount_type);
        cr_assert_null(found.repository_uuid);
        cr_assert_null(found.missing_tools);
        cr_assert_null(found.write_problem);
        cr_assert_eq(found.folder_free_bytes[0], UINT64_MAX);
}

Test(host_probe, an_answer_that_misses_one_of_what_was_asked_for_is_an_error)
{
        static const char *const short_ones[] = { "", "folder\t1\nfile\t1\n", "file\t1\nfile\t2\n",
                                                  "folder\t1\nfolder\t1\nfile\t1\nfile\t2\n" };
        for (size_t i = 0; i < ARRAY_LENGTH(short_ones); i++) {
                _cleanup_(scripted_host_done) struct scripted_host host;
                scripted_host_init(&host);
                host.output = short_ones[i];
                struct host_probe found = { 0 };
                _cleanup_error_ struct error *error = NULL;
                cr_assert_eq(probe(&host, "/mnt/backup", &found, &error), -1, "%zu", i);
                cr_assert_eq(error->kind, ERROR_INTERNAL);
        }
}

Test(host_probe, a_share_that_does_not_answer_is_said_to_hang)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        host.broken = true;
        host.fails = ERROR_TIMEOUT;
        struct host_probe found = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(probe(&host, "/mnt/backup", &found, &error), -1);
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert(strstr(error->message, "/mnt/backup") && strstr(error->message, "hangs"), "%s",
                  error->message);
}

Test(host_probe, the_share_is_looked_for_as_mountinfo_spells_it)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        host.output = "folder\t1\nfile\t1\nfile\t2\nmount\t\n";
        _cleanup_(host_probe_done) struct host_probe found = { 0 };
        cr_assert_eq(probe(&host, "/mnt/back up\\x", &found, NULL), 0);
        cr_assert(strv_contains(host.argv, "/mnt/back up\\x"));
        cr_assert(strv_contains(host.argv, "/mnt/back\\040up\\134x"));
        cr_assert(strv_contains(host.argv, "d:/images") &&
                  strv_contains(host.argv, "f:/images/b") && strv_contains(host.argv, "write"));
}

/* A disk whose file is gone must not take the rest of what is known along; its own size is asked of
 * libvirt, which says what is wrong. */
Test(host_probe, a_file_that_is_not_there_has_no_size)
{
        _cleanup_(scripted_host_done) struct scripted_host host;
        scripted_host_init(&host);
        struct host_probe found = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(probe(&host, "/nowhere", &found, &error), -1);
        const struct child_options options = { .timeout_ms = 20000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run((const char *const *)host.argv, &options, &result, NULL), 0);
        cr_assert_eq(result.status, 0, "%s", result.errors);
        cr_assert(strstr(result.output, "\nfolder\t\nfile\t\nfile\t\nmount\t\n"), "%s",
                  result.output);
}
