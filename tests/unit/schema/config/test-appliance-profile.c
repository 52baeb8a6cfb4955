/* Profiles of appliances, built in and beside the inventory. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/appliance-profile.h"

Test(appliance_profile, asa_is_built_in)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(appliance_profile_freep) struct appliance_profile *profile =
                appliance_profile_load("/nonexistent/vm-list.yaml", 7, "asa", &problems);
        cr_assert(profile);
        cr_assert_eq(problems.count, 0);
        cr_assert_str_eq(profile->name, "asa");
        cr_assert_str_eq(profile->enable_command, "enable");
        cr_assert_str_eq(profile->setup[0], "terminal pager 0");
        cr_assert_str_eq(profile->save_expect, "\\[OK\\]");
        cr_assert_eq(profile->n_captures, 3);
        cr_assert_str_eq(profile->captures[2].file, "version.txt");
        cr_assert_null(profile->captures[2].ends);
        cr_assert_str_eq(profile->answers[0].answer, "");
}

Test(appliance_profile, a_name_that_is_none)
{
        _cleanup_problems_ struct problems problems = { 0 };
        cr_assert_null(appliance_profile_load("/etc/orch/vm-list.yaml", 7, "iosx", &problems));
        _cleanup_free_ char *text = problems_format(&problems);
        cr_assert(strstr(text, "there is no appliance profile \"iosx\": built in is asa; one of "
                               "your own is a file "
                               "/etc/orch/profiles/iosx.yaml"),
                  "%s", text);
        cr_assert(str_starts_with(text, "/etc/orch/vm-list.yaml:7"), "%s", text);
        cr_assert_null(appliance_profile_load("/etc/orch/vm-list.yaml", 7, "@x", &problems));
        cr_assert_null(appliance_profile_load("/etc/orch/vm-list.yaml", 7, "..", &problems));
}

Test(appliance_profile, a_file_beside_the_inventory_wins)
{
        char folder[] = "/tmp/profile-XXXXXX";
        cr_assert(mkdtemp(folder));
        _cleanup_free_ char *inventory = path_join(folder, "vm-list.yaml");
        _cleanup_free_ char *profiles = path_join(folder, "profiles");
        _cleanup_free_ char *path = path_join(profiles, "asa.yaml");
        static const char text[] =
                "prompt: '> ?$'\nline_ending: crlf\ncaptures: [{file: a.txt, command: show}]\n";
        cr_assert_eq(fs_make_dirs(profiles, NULL), 0);
        cr_assert_eq(fs_write_file(path, 0600, text, strlen(text), NULL), 0);
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(appliance_profile_freep) struct appliance_profile *profile =
                appliance_profile_load(inventory, 1, "asa", &problems);
        cr_assert(profile);
        cr_assert_eq(profile->line_ending, APPLIANCE_SENDS_CRLF);
        cr_assert_null(profile->enable_command);
        cr_assert_str_eq(profile->captures[0].command, "show");
        cr_assert_eq(fs_remove_tree_at(-1, folder, NULL), 0);
}

Test(appliance_profile, patterns)
{
        char *texts[] = { (char *)"^a+$", (char *)"b", NULL };
        _cleanup_line_patterns_ struct line_patterns patterns;
        line_patterns_init(&patterns, texts);
        cr_assert(line_patterns_match(&patterns, "aaa", 3));
        cr_assert(line_patterns_match(&patterns, "aaax", 3));
        cr_assert(line_patterns_match(&patterns, "xbx", 3));
        cr_assert_not(line_patterns_match(&patterns, "aax", 3));
        _cleanup_line_patterns_ struct line_patterns none;
        line_patterns_init_one(&none, NULL);
        cr_assert_not(line_patterns_match(&none, "", 0));
}
