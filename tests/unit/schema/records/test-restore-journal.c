/* The journal of a restore: read back as written, and never a path of somebody else. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "samples.h"
#include "schema/records/restore-journal.h"

Test(restore_journal, reads_back_as_written)
{
        _cleanup_(restore_journal_freep) struct restore_journal *journal = sample_journal();
        _cleanup_free_ char *text = restore_journal_format(journal);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(restore_journal_freep) struct restore_journal *again =
                restore_journal_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        _cleanup_free_ char *text_again = restore_journal_format(again);
        cr_assert_str_eq(text_again, text);
        cr_assert_eq(again->items[0].inode, 4711);
        cr_assert_eq(again->phase, RESTORE_DONE);
}

Test(restore_journal, one_that_pulls_says_so)
{
        _cleanup_(restore_journal_freep) struct restore_journal *journal = sample_journal();
        journal->phase = RESTORE_PULLING;
        journal->instant = true;
        _cleanup_free_ char *text = restore_journal_format(journal);
        _cleanup_(restore_journal_freep) struct restore_journal *again =
                restore_journal_parse(text, strlen(text), NULL);
        cr_assert_eq(again->phase, RESTORE_PULLING);
        cr_assert(again->instant);
        cr_assert(strstr(text, "\"pulling\""), "%s", text);
}

/* What may stand in an inventory or in a domain's XML: a journal that cannot be read back leaves an
 * interrupted restore in pieces. */
Test(restore_journal, of_odd_names_and_paths_reads_back)
{
        _cleanup_(restore_journal_freep) struct restore_journal *journal = sample_journal();
        xstrdup_replace(&journal->vm, "a..b");
        xstrdup_replace(&journal->point, "host..1/a..b/2026-02-01-220015");
        restore_journal_add_item(journal, "/images/../srv/.x.orch-0f0e0d0c-20260201-3f9a.restoring",
                                 "/images/../srv/x y'\n.qcow2");
        _cleanup_free_ char *text = restore_journal_format(journal);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(restore_journal_freep) struct restore_journal *again =
                restore_journal_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        cr_assert_str_eq(again->items[again->n_items - 1].path, "/images/../srv/x y'\n.qcow2");
        static const char *const outside[] = { "..", "../h/v/p", "h/../../p", "h/v/..", "/etc" };
        for (size_t i = 0; i < ARRAY_LENGTH(outside); i++) {
                xstrdup_replace(&journal->point, outside[i]);
                _cleanup_free_ char *bad = restore_journal_format(journal);
                cr_assert_null(restore_journal_parse(bad, strlen(bad), NULL), "%s", outside[i]);
        }
}

Test(restore_journal, what_is_not_orchs_is_never_removed_by_it)
{
        static const char *const bad[][2] = {
                { "/images/.vda.orch-0f0e0d0c-20260201-3f9a.restoring", "/etc/passwd" },
                { "/images/.vda.orch-0f0e0d0c-20260201-3f9a.restoring", "/orch-x/../etc/passwd" },
                { "/images/a.qcow2.replaced-2026-02-01-orch-0f0e0d0c-20260201-3f9a",
                  "/orch-images/a.qcow2" },
                { "\"format\": 1", "\"format\": 2" },
                { "\"phase\": \"done\"", "\"phase\": \"finished\"" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
                _cleanup_(restore_journal_freep) struct restore_journal *journal = sample_journal();
                _cleanup_free_ char *text = restore_journal_format(journal);
                char *at = strstr(text, bad[i][0]);
                cr_assert(at, "%s", bad[i][0]);
                *at = '\0';
                _cleanup_free_ char *changed =
                        xasprintf("%s%s%s", text, bad[i][1], at + strlen(bad[i][0]));
                cr_assert_null(restore_journal_parse(changed, strlen(changed), NULL), "%s",
                               bad[i][1]);
        }
}
