/* What ran, line by line in a file that may be torn. */
#include "notify/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "fixture.h"

static char *path;

static void set_up(void)
{
        make_folder();
        path = path_join(folder, "ledger.jsonl");
}

static void tear_down(void)
{
        free(path);
        remove_folder();
}

static void append(const char *vm, const char *status, int64_t finished)
{
        char *warnings[] = { (char *)"w1", (char *)"w2", NULL };
        const struct ledger_row row = { .vm = (char *)vm,
                                        .hypervisor = (char *)"hv",
                                        .job = (char *)"20260201-0001",
                                        .status = (char *)status,
                                        .error = (char *)(streq(status, "ok") ? NULL : "why\nnot"),
                                        .warnings = warnings,
                                        .stored_bytes = 7,
                                        .started = finished - 10,
                                        .finished = finished };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(ledger_append(path, &row, &error), 0, "%s", error_message(error));
}

Test(ledger, keeps_what_ran, .init = set_up, .fini = tear_down)
{
        _cleanup_ledger_ struct ledger none = { 0 };
        cr_assert_eq(ledger_read(path, &none, NULL), 0);
        cr_assert_eq(none.count, 0);
        append("a", "ok", 1000000);
        append("b", "failed", 2000000);
        _cleanup_ledger_ struct ledger ledger = { 0 };
        cr_assert_eq(ledger_read(path, &ledger, NULL), 0);
        cr_assert_eq(ledger.count, 2);
        cr_assert_str_eq(ledger.rows[0].vm, "a");
        cr_assert_null(ledger.rows[0].error);
        cr_assert_eq(ledger.rows[0].stored_bytes, 7);
        cr_assert_eq(ledger.rows[0].started, 999990);
        cr_assert_eq(strv_length(ledger.rows[0].warnings), 2);
        cr_assert_str_eq(ledger.rows[1].error, "why not");
}

Test(ledger, a_torn_line_costs_only_itself, .init = set_up, .fini = tear_down)
{
        append("a", "ok", 1000000);
        int fd = open(path, O_WRONLY | O_APPEND);
        cr_assert_eq(write(fd, "{\"vm\": \"torn", 12), 12);
        close(fd);
        append("b", "ok", 2000000);
        _cleanup_ledger_ struct ledger ledger = { 0 };
        cr_assert_eq(ledger_read(path, &ledger, NULL), 0);
        cr_assert_eq(ledger.count, 2);
        cr_assert_str_eq(ledger.rows[1].vm, "b");
}

Test(ledger, forgets_what_is_old, .init = set_up, .fini = tear_down)
{
        int64_t now = 100 * 86400;
        cr_assert_eq(ledger_prune(path, now, NULL), 0);
        append("old", "ok", now - 17 * 86400);
        append("young", "ok", now - 15 * 86400);
        cr_assert_eq(ledger_prune(path, now, NULL), 0);
        _cleanup_ledger_ struct ledger ledger = { 0 };
        cr_assert_eq(ledger_read(path, &ledger, NULL), 0);
        cr_assert_eq(ledger.count, 1);
        cr_assert_str_eq(ledger.rows[0].vm, "young");
}
