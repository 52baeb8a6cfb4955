/* The options of a restore: read back, checked, and their defaults. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"
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
