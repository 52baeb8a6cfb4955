/* A channel's messages on disk: in order, over restarts, torn files, and a bound. */
#include "notify/spool.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"

static struct spool *open_it(void)
{
        _cleanup_error_ struct error *error = NULL;
        struct spool *spool = spool_open(folder, &error);
        cr_assert(spool, "%s", error_message(error));
        return spool;
}

static void add(struct spool *spool, const char *title, const char *key)
{
        _cleanup_notice_ struct notice *notice = make_notice(title);
        cr_assert_eq(spool_add(spool, notice, key, 1000, 0, NULL), 0);
}

static void expect(const struct spool *spool, size_t index, const char *title)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_notice_ struct notice *notice =
                spool_read(spool, spool_at(spool, index)->number, &error);
        cr_assert(notice, "%s", error_message(error));
        cr_assert_str_eq(notice->title, title);
}

Test(spool, keeps_order_over_a_restart, .init = make_folder, .fini = remove_folder)
{
        struct spool *spool = open_it();
        static const char *const titles[] = { "one", "two", "three", "four" };
        for (size_t i = 0; i < ARRAY_LENGTH(titles); i++)
                add(spool, titles[i], NULL);
        spool_free(spool);
        spool = open_it();
        cr_assert_eq(spool_count(spool), 4);
        for (size_t i = 0; i < ARRAY_LENGTH(titles); i++)
                expect(spool, i, titles[i]);
        cr_assert_eq(spool_at(spool, 0)->created, 1000);
        add(spool, "five", NULL);
        expect(spool, 4, "five");
        spool_free(spool);
}

Test(spool, what_was_taken_is_gone, .init = make_folder, .fini = remove_folder)
{
        struct spool *spool = open_it();
        add(spool, "one", NULL);
        add(spool, "two", NULL);
        cr_assert_eq(spool_remove(spool, spool_at(spool, 0)->number, NULL), 0);
        expect(spool, 0, "two");
        spool_free(spool);
        spool = open_it();
        cr_assert_eq(spool_count(spool), 1);
        expect(spool, 0, "two");
        cr_assert_eq(spool_given_up(spool, clock_realtime_s()), 0);
        spool_free(spool);
}

Test(spool, a_message_can_be_changed_in_its_place, .init = make_folder, .fini = remove_folder)
{
        struct spool *spool = open_it();
        add(spool, "one", "k");
        add(spool, "two", NULL);
        _cleanup_notice_ struct notice *changed = make_notice("changed");
        cr_assert_null(spool_find(spool, "other"));
        cr_assert_eq(spool_replace(spool, spool_find(spool, "k")->number, changed, 77, NULL), 0);
        spool_free(spool);
        spool = open_it();
        expect(spool, 0, "changed");
        expect(spool, 1, "two");
        cr_assert_eq(spool_at(spool, 0)->not_before, 77);
        cr_assert_str_eq(spool_find(spool, "k")->key, "k");
        cr_assert_eq(spool_count(spool), 2);
        spool_free(spool);
}

Test(spool, what_is_given_up_is_kept_and_counted, .init = make_folder, .fini = remove_folder)
{
        struct spool *spool = open_it();
        add(spool, "one", NULL);
        int64_t now = clock_realtime_s();
        cr_assert_eq(spool_give_up(spool, spool_at(spool, 0)->number, now, NULL), 0);
        cr_assert_eq(spool_count(spool), 0);
        spool_free(spool);
        spool = open_it();
        cr_assert_eq(spool_count(spool), 0);
        cr_assert_eq(spool_given_up(spool, now), 1);
        cr_assert_eq(spool_given_up(spool, now + 8 * 86400), 0);
        spool_free(spool);
}

Test(spool, a_torn_file_is_set_aside_and_the_others_go_on, .init = make_folder,
     .fini = remove_folder)
{
        struct spool *spool = open_it();
        add(spool, "one", NULL);
        spool_free(spool);
        write_file("0000000000000000001.json", "{\"format\": 1, \"crea");
        write_file("0000000000000000002.json",
                   "{\"format\": 9, \"created\": \"2026-01-01T00:00:00Z\"}");
        write_file("note.txt", "not ours");
        spool = open_it();
        cr_assert_eq(spool_count(spool), 1);
        expect(spool, 0, "one");
        cr_assert_eq(spool_given_up(spool, clock_realtime_s()), 2);
        spool_free(spool);
        _cleanup_free_ char *other = read_file("note.txt");
        cr_assert_str_eq(other, "not ours");
}

Test(spool, is_bounded, .init = make_folder, .fini = remove_folder)
{
        struct spool *spool = open_it();
        for (size_t i = 0; i < SPOOL_MAX_MESSAGES; i++)
                add(spool, "x", NULL);
        _cleanup_notice_ struct notice *notice = make_notice("one too many");
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(spool_add(spool, notice, NULL, 1, 0, &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        spool_free(spool);
}

Test(spool, files_are_not_for_everybody, .init = make_folder, .fini = remove_folder)
{
        struct spool *spool = open_it();
        add(spool, "one", NULL);
        _cleanup_free_ char *path =
                xasprintf("%s/%019lld.json", folder, (long long)spool_at(spool, 0)->number);
        struct stat st;
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0640);
        spool_free(spool);
}
