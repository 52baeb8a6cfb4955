/* What was told stays told, also over a restart. */
#include "notify/incidents.h"

#include "base/fs.h"
#include "fixture.h"

static struct incidents *open_it(void)
{
        _cleanup_free_ char *path = path_join(folder, "incidents.json");
        return incidents_open(path);
}

Test(incidents, are_told_once_also_over_a_restart, .init = make_folder, .fini = remove_folder)
{
        struct incidents *incidents = open_it();
        cr_assert_null(incidents_find(incidents, "share", 100));
        incidents_begin(incidents, "share", "gone", 100);
        incidents_add_vm(incidents, "share", "a");
        incidents_add_vm(incidents, "share", "a");
        incidents_add_vm(incidents, "share", "b");
        incidents_add_vm(incidents, "other", "c");
        incidents_free(incidents);
        incidents = open_it();
        const struct incident *found = incidents_find(incidents, "share", 200);
        cr_assert(found);
        cr_assert_eq(found->since, 100);
        cr_assert_str_eq(found->reason, "gone");
        cr_assert_eq(strv_length(found->vms), 2);
        incidents_end(incidents, "share");
        incidents_end(incidents, "share");
        incidents_free(incidents);
        incidents = open_it();
        cr_assert_null(incidents_find(incidents, "share", 200));
        incidents_free(incidents);
}

Test(incidents, what_lasts_for_a_day_is_told_again, .init = make_folder, .fini = remove_folder)
{
        struct incidents *incidents = open_it();
        incidents_begin(incidents, "a", NULL, 100);
        incidents_begin(incidents, "b", NULL, 100);
        cr_assert(incidents_find(incidents, "a", 100 + INCIDENT_TOLD_AGAIN_SECONDS - 1));
        cr_assert_null(incidents_find(incidents, "a", 100 + INCIDENT_TOLD_AGAIN_SECONDS));
        cr_assert_null(incidents_find(incidents, "a", 101));
        cr_assert(incidents_find(incidents, "b", 101));
        incidents_free(incidents);
}

Test(incidents, a_broken_file_is_an_empty_one, .init = make_folder, .fini = remove_folder)
{
        static const char *const texts[] = { "", "{",
                                             "{\"format\": 1, \"incidents\": [{\"key\": \"a\"}]}",
                                             "{\"format\": 7, \"incidents\": []}" };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                write_file("incidents.json", texts[i]);
                struct incidents *incidents = open_it();
                cr_assert_null(incidents_find(incidents, "a", 1));
                incidents_begin(incidents, "a", NULL, 1);
                incidents_free(incidents);
        }
}
