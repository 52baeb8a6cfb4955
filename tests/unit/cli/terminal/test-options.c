/* Words of a command line over tables of options. */
#include "cli/terminal/options.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct option_spec globals[] = {
        { .name = "config", .value = "FILE", .help = "" },
        { .letter = 'q', .name = "quiet", .help = "" },
        { .letter = 'v', .name = "verbose", .help = "" },
        { 0 },
};
static const struct option_spec own[] = {
        { .letter = 't', .name = "tag", .value = "TAG", .repeatable = true, .help = "" },
        { .letter = 'l', .name = "level", .value = "LEVEL", .help = "" },
        { .name = "dry-run", .help = "" },
        { 0 },
};

#define PARSE(options, ...) \
        options_parse(globals, own, (const char *const[]){ __VA_ARGS__, NULL }, &(options), &error)

Test(options, every_form_of_an_option_is_understood_anywhere)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_options_ struct options options = { 0 };
        cr_assert_eq(PARSE(options, "vm1", "--tag", "a", "-tb", "--tag=c=d", "-t", "-e", "vm2",
                           "--dry-run", "-qv", "--config=/x"),
                     0, "%s", error_message(error));
        cr_assert_eq(options.n_words, 2);
        cr_assert_str_eq(options.words[0], "vm1");
        cr_assert_str_eq(options.words[1], "vm2");
        cr_assert_null(options.words[2]);
        cr_assert_eq(options_count(&options, "tag"), 4);
        static const char *const tags[] = { "a", "b", "c=d", "-e" };
        for (size_t i = 0; i < 4; i++)
                cr_assert_str_eq(options_nth(&options, "tag", i), tags[i]);
        cr_assert_null(options_nth(&options, "tag", 4));
        cr_assert(options_has(&options, "dry-run"));
        cr_assert(options_has(&options, "quiet"));
        cr_assert(options_has(&options, "verbose"));
        cr_assert_str_eq(options_get(&options, "config"), "/x");
        cr_assert_not(options_has(&options, "level"));
        cr_assert_null(options_get(&options, "level"));
}

Test(options, two_dashes_end_the_options_and_one_alone_is_a_word)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_options_ struct options options = { 0 };
        cr_assert_eq(PARSE(options, "-", "--", "--dry-run", "-q"), 0);
        cr_assert_eq(options.n_words, 3);
        cr_assert_str_eq(options.words[0], "-");
        cr_assert_str_eq(options.words[1], "--dry-run");
        cr_assert_not(options_has(&options, "dry-run"));
}

static void assert_refused(const char *expected, const char *const argv[])
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_options_ struct options options = { 0 };
        cr_assert_eq(options_parse(globals, own, argv, &options, &error), -1, "%s", argv[0]);
        cr_assert_eq(error->kind, ERROR_CONFIG);
        cr_assert(strstr(error->message, expected), "'%s' lacks '%s'", error->message, expected);
        cr_assert_eq(options.n_given, 0, "untouched on failure");
}

Test(options, what_cannot_be_understood_is_refused_with_the_nearest)
{
        assert_refused("did you mean --dry-run?", (const char *const[]){ "--dryrun", NULL });
        assert_refused("did you mean --level?", (const char *const[]){ "--lvel=full", NULL });
        assert_refused("there is no option --colour", (const char *const[]){ "--colour", NULL });
        assert_refused("there is no option -x", (const char *const[]){ "-qx", NULL });
        assert_refused("--level needs a value: --level LEVEL",
                       (const char *const[]){ "--level", NULL });
        assert_refused("-l needs a value", (const char *const[]){ "-l", NULL });
        assert_refused("--dry-run takes no value", (const char *const[]){ "--dry-run=1", NULL });
        assert_refused("--level is given twice",
                       (const char *const[]){ "--level", "full", "-lfull", NULL });
        /* Nothing is guessed from a beginning of a name. */
        assert_refused("there is no option --dry", (const char *const[]){ "--dry", NULL });
}

Test(options, an_unknown_option_with_control_characters_cannot_forge_a_line)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_options_ struct options options = { 0 };
        cr_assert_eq(PARSE(options, "--x\nerror: y"), -1);
        cr_assert_null(strchr(error->message, '\n'));
}
