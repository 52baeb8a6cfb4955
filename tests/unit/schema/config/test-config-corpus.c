/* Each file of tests/corpus/config/bad begins with comments "# expect: LINE:COLUMN: part of the
 * message": the parser must find these problems and no other. Each file of good must be
 * accepted. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/appliance-profile.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/yaml/yaml-document.h"

static bool is_accepted(const char *folder, const char *name, char **ret_text,
                        struct problems *problems)
{
        _cleanup_free_ char *path = xasprintf(TESTS_DIRECTORY "/corpus/config/%s/%s", folder, name);
        if (str_starts_with(name, "orch-")) {
                _cleanup_(settings_freep) struct settings *settings =
                        settings_load(path, ret_text, problems);
                return settings != NULL;
        }
        if (str_starts_with(name, "profile-")) {
                _cleanup_free_ char *text = yaml_read_file(path, &(size_t){ 0 }, problems);
                _cleanup_(appliance_profile_freep) struct appliance_profile *profile =
                        appliance_profile_parse(text, strlen(text), path, "x", problems);
                if (ret_text)
                        *ret_text = TAKE_PTR(text);
                return profile != NULL;
        }
        _cleanup_(inventory_freep) struct inventory *inventory =
                inventory_load(path, ret_text, problems);
        return inventory != NULL;
}

static bool is_found(const struct problems *problems, const char *expectation)
{
        for (size_t i = 0; i < problems->count; i++) {
                const struct problem *item = &problems->items[i];
                _cleanup_free_ char *place = xasprintf("%u:%u: ", item->line, item->column);
                if (!item->warning && str_starts_with(expectation, place) &&
                    strstr(item->message, expectation + strlen(place)))
                        return true;
        }
        return false;
}

static void check_expectations(const char *name, char *text, const struct problems *problems)
{
        static const char mark[] = "# expect: ";
        size_t expected = 0;
        _cleanup_free_ char *found = problems_format(problems);
        for (char *line = strtok(text, "\n"); line && line[0] == '#'; line = strtok(NULL, "\n")) {
                if (!str_starts_with(line, mark))
                        continue;
                cr_expect(is_found(problems, line + strlen(mark)), "%s: expected %s, found:\n%s",
                          name, line + strlen(mark), found);
                expected++;
        }
        cr_expect_gt(expected, 0, "%s expects nothing", name);
        cr_expect_eq(problems->n_errors, expected, "%s: expected %zu problems, found:\n%s", name,
                     expected, found);
}

static size_t walk(const char *folder, void (*check)(const char *folder, const char *name))
{
        _cleanup_free_ char *path = path_join(TESTS_DIRECTORY "/corpus/config", folder);
        _cleanup_(closedirp) DIR *dir = opendir(path);
        cr_assert(dir, "%s", path);
        size_t count = 0;
        for (struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                check(folder, entry->d_name);
                count++;
        }
        return count;
}

static void check_bad(const char *folder, const char *name)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_free_ char *text = NULL;
        cr_expect_not(is_accepted(folder, name, &text, &problems), "%s is accepted", name);
        check_expectations(name, text, &problems);
}

static void check_good(const char *folder, const char *name)
{
        _cleanup_problems_ struct problems problems = { 0 };
        bool accepted = is_accepted(folder, name, NULL, &problems);
        _cleanup_free_ char *found = problems_format(&problems);
        cr_expect(accepted, "%s", found);
}

Test(config_corpus, each_mistake_is_found_where_it_stands_and_nothing_else)
{
        cr_assert_geq(walk("bad", check_bad), 60);
}

Test(config_corpus, good_files_are_accepted)
{
        cr_assert_geq(walk("good", check_good), 15);
}
