/* Asks the parsers about a file: `config-verdict orch|vm-list|profile FILE…` prints a line "==
 * FILE: ok" or "== FILE: refused" for each and its problems below. Exits 0 when all were accepted,
 * 2 when one was refused. For tests that compare answers. */
#include <stdio.h>

#include "base/strings.h"
#include "schema/config/appliance-profile.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/yaml/yaml-document.h"

static bool is_accepted(const char *kind, const char *path, struct problems *problems)
{
        if (streq(kind, "orch")) {
                _cleanup_(settings_freep) struct settings *settings =
                        settings_load(path, NULL, problems);
                return settings != NULL;
        }
        if (streq(kind, "profile")) {
                size_t length = 0;
                _cleanup_free_ char *text = yaml_read_file(path, &length, problems);
                _cleanup_(appliance_profile_freep) struct appliance_profile *profile =
                        text ? appliance_profile_parse(text, length, path, "x", problems) : NULL;
                return profile != NULL;
        }
        _cleanup_(inventory_freep) struct inventory *inventory =
                inventory_load(path, NULL, problems);
        return inventory != NULL;
}

int main(int argc, char **argv)
{
        if (argc < 3 ||
            (!streq(argv[1], "orch") && !streq(argv[1], "vm-list") && !streq(argv[1], "profile"))) {
                fprintf(stderr, "usage: %s orch|vm-list|profile FILE…\n", argv[0]);
                return 1;
        }
        int status = 0;
        for (int i = 2; i < argc; i++) {
                _cleanup_problems_ struct problems problems = { 0 };
                bool accepted = is_accepted(argv[1], argv[i], &problems);
                _cleanup_free_ char *text = problems_format(&problems);
                printf("== %s: %s\n%s", argv[i], accepted ? "ok" : "refused", text);
                if (!accepted)
                        status = 2;
        }
        return status;
}
