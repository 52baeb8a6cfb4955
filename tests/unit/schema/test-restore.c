/* What a restore is asked for, and how far it is: options, journals; storage pools. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "samples.h"
#include "schema/json/json-fields.h"
#include "schema/libvirt/storage-pool.h"
#include "schema/records/restore-journal.h"
#include "schema/records/restore-options.h"

static int read_text(const char *text, struct restore_options *ret, struct error **err)
{
        _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
        cr_assert(json, "%s", text);
        return restore_options_read(json, ret, err);
}

Test(restore_options, read_back_as_written)
{
        static const char text[] = "{\"point\":\"2026-02-01-220015\",\"to\":\"hypervisor-02\","
                                   "\"name\":\"new\",\"network\":[\"br0="
                                   "lab\"],\"disks\":[\"vda\"],"
                                   "\"images\":\"/srv/images\",\"format\":\"raw\",\"start\":true}";
        _cleanup_restore_options_ struct restore_options options = { 0 };
        _cleanup_error_ struct error *err = NULL;
        cr_assert_eq(read_text(text, &options, &err), 0, "%s", error_message(err));
        cr_assert_str_eq(options.images, "/srv/images");
        cr_assert(options.start && !options.replace && !options.export_folder);
        _cleanup_json_ json_t *json = restore_options_write(&options);
        _cleanup_restore_options_ struct restore_options again = { 0 };
        cr_assert_eq(restore_options_read(json, &again, NULL), 0);
        cr_assert_str_eq(again.network[0], "br0=lab");
        cr_assert_str_eq(again.format, "raw");
}

Test(restore_options, none_at_all_is_fine)
{
        _cleanup_restore_options_ struct restore_options options = { 0 };
        cr_assert_eq(restore_options_read(NULL, &options, NULL), 0);
        cr_assert_eq(read_text("{}", &options, NULL), 0);
}

Test(restore_options, what_makes_no_sense_is_refused_by_its_name)
{
        static const struct {
                const char *text;
                const char *part;
        } cases[] = {
                { "{\"pont\":\"x\"}", "nearest: point" },
                { "{\"to\":\"../x\"}", "to" },
                { "{\"start\":1}", "start" },
                { "{\"format\":\"vmdk\"}", "format" },
                { "{\"images\":\"relative/path\"}", "images" },
                { "{\"images\":\"/a/../b\"}", "images" },
                { "{\"export\":\"here\"}", "export" },
                { "{\"network\":[\"keep\",\"none\"]}", "network" },
                { "{\"network\":[\"a=\"]}", "network" },
                { "{\"network\":[\"=a\"]}", "network" },
                { "{\"network\":[\"a=b=c\"]}", "network" },
                { "{\"network\":[\"a b\"]}", "network" },
                { "{\"network\":[\"-x\"]}", "network" },
                { "{\"disks\":[\"../vda\"]}", "disks" },
                { "{\"export\":\"/x\",\"start\":true}", "export and start" },
                { "{\"export\":\"/x\",\"to\":\"h\"}", "export and to" },
                { "{\"export\":\"/x\",\"point\":\"p\",\"replace\":true}", "export and replace" },
                { "{\"export\":\"/x\",\"instant\":true}", "export and instant" },
                { "{\"instant\":true,\"format\":\"raw\"}", "instant and format raw" },
                { "{\"replace\":true}", "point named" },
                { "{\"replace\":true,\"point\":\"latest\"}", "point named" },
                { "{\"replace\":true,\"point\":\"p\",\"name\":\"n\"}", "replace and name" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_error_ struct error *err = NULL;
                struct restore_options options = { 0 };
                cr_assert_eq(read_text(cases[i].text, &options, &err), -1, "%s", cases[i].text);
                cr_assert_eq(err->kind, ERROR_CONFIG);
                cr_assert(strstr(err->message, cases[i].part), "%s: %s", cases[i].text,
                          err->message);
        }
}

/* "keep", "none", "*=lab", "br0=lab,br1=rest". The caller frees. */
static char *network_of(const char *text)
{
        _cleanup_restore_options_ struct restore_options options = { 0 };
        cr_assert_eq(read_text(text, &options, NULL), 0, "%s", text);
        enum rewrite_network network;
        size_t count = 9;
        _cleanup_free_ struct rewrite_network_map *map = NULL;
        _cleanup_strv_ char **texts = NULL;
        _cleanup_strv_ char **said = NULL;
        restore_options_network(&options, &network, &map, &count, &texts);
        if (network != REWRITE_NETWORK_MAP)
                strv_add(&said, network == REWRITE_NETWORK_KEEP ? "keep" : "none");
        for (size_t i = 0; i < count; i++)
                strv_addf(&said, "%s=%s", map[i].from ? map[i].from : "*", map[i].to);
        return strv_join(said, ",");
}

Test(restore_options, networks_are_kept_by_default_and_none_with_another_name)
{
        static const char *const cases[][2] = {
                { "{}", "keep" },
                { "{\"name\":\"n\"}", "none" },
                { "{\"name\":\"n\",\"network\":[\"keep\"]}", "keep" },
                { "{\"network\":[\"none\"]}", "none" },
                { "{\"network\":[\"lab\"]}", "*=lab" },
                { "{\"network\":[\"br0=lab\",\"br1=rest\"]}", "br0=lab,br1=rest" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *said = network_of(cases[i][0]);
                cr_assert_str_eq(said, cases[i][1]);
        }
}

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

Test(storage_pool, folders_and_others)
{
        static const char dir[] =
                "<pool type='dir'><name>a</name><target><path>/srv/pool</path></target></pool>";
        _cleanup_free_ char *folder = storage_pool_folder(dir, strlen(dir), NULL);
        cr_assert_str_eq(folder, "/srv/pool");
        static const char *const others[] = {
                "<pool type='logical'><target><path>/dev/vg</path></target></pool>",
                "<pool type='dir'/>", "<pool type='dir'><target><path>x</path></target></pool>",
                "<network/>", ""
        };
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
                cr_assert_null(storage_pool_folder(others[i], strlen(others[i]), NULL), "%s",
                               others[i]);
}
