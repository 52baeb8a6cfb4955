/* docs/orch.1 and --help name the same verbs and options. Both are taken as they are: the binary's
 * help, the page's source. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/child.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

static char *orch_says(const char *const words[])
{
        const char *argv[6] = { getenv("ORCH_BINARY") };
        cr_assert_not_null(argv[0],
                           "ORCH_BINARY has to name the orch that is tested (meson test sets it)");
        for (size_t i = 0; words[i]; i++)
                argv[i + 1] = words[i];
        struct child_options options = { .timeout_ms = 20000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        cr_assert_eq(result.status, 0, "%s", result.errors);
        return TAKE_PTR(result.output);
}

static char *read_manual(void)
{
        const char *path = getenv("ORCH_MANUAL");
        cr_assert_not_null(path, "ORCH_MANUAL has to name docs/orch.1 (meson test sets it)");
        char *text = fs_read_file(path, 1 << 20, NULL, NULL);
        cr_assert_not_null(text);
        return text;
}

/* Calls `on_line` with each line of the text, which is torn. */
static void each_line(char *text, void (*on_line)(const char *line, void *data), void *data)
{
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                on_line(line, data);
}

/* What is found in either source: "verb" and "verb --option" ("--option" alone for global ones),
 * sorted. */
struct found {
        char **items;
        char *verb; /* whose section is being read; "" for the global options; NULL: neither */
};

static int compare(const void *a, const void *b)
{
        const char *const *pa = a;
        const char *const *pb = b;
        return strcmp(*pa, *pb);
}

static char *found_text(struct found *found)
{
        if (found->items)
                qsort(found->items, strv_length(found->items), sizeof *found->items, compare);
        char *text = strv_join(found->items, "\n");
        found->items = strv_free(found->items);
        free(found->verb);
        return text;
}

/* Without the arguments that a section's title has: "backup vm NAME..." is "backup vm". */
static char *without_arguments(const char *title)
{
        struct strbuf verb = { 0 };
        for (const char *word = title; *word && *word >= 'a' && *word <= 'z';) {
                size_t length = strcspn(word, " ");
                if (verb.length)
                        strbuf_add_char(&verb, ' ');
                strbuf_append(&verb, word, length);
                word += length + (word[length] == ' ');
        }
        return strbuf_take(&verb);
}

static void take_manual_line(const char *line, void *data)
{
        struct found *found = data;
        if (str_starts_with(line, ".SS orch ")) {
                free(found->verb);
                found->verb = without_arguments(line + strlen(".SS orch "));
                strv_add(&found->items, found->verb);
        } else if (str_starts_with(line, ".SH ")) {
                free(found->verb);
                found->verb = streq(line, ".SH OPTIONS") ? xstrdup("") : NULL;
        } else if (found->verb &&
                   (str_starts_with(line, ".B \\-") || str_starts_with(line, ".BI \\-") ||
                    str_starts_with(line, ".BR \\-"))) {
                struct strbuf option = { 0 };
                for (const char *p = strstr(line, "\\-\\-"); p && *p && !strchr(" \",", *p); p++)
                        if (*p != '\\')
                                strbuf_add_char(&option, *p);
                strv_addf(&found->items, "%s%s%s", found->verb, *found->verb ? " " : "",
                          option.data ? option.data : line);
                strbuf_done(&option);
        }
}

/* A line of help such as "  -q, --quiet   …" or "  --level LEVEL   …". */
static void take_option_line(const char *line, void *data)
{
        struct found *found = data;
        if (streq(line, "options of every verb:")) {
                free(found->verb);
                found->verb = NULL;
        }
        const char *option = str_starts_with(line, "  -") ? strstr(line, "--") : NULL;
        if (option && found->verb)
                strv_addf(&found->items, "%s%s%.*s", found->verb, *found->verb ? " " : "",
                          (int)strcspn(option, " "), option);
}

static void take_verb_line(const char *line, void *data)
{
        char ***verbs = data;
        if (line[0] != ' ' || line[2] == '-')
                return;
        const char *end = strstr(line + 2, "  ");
        cr_assert(end, "%s", line);
        strv_addf(verbs, "%.*s", (int)(end - line - 2), line + 2);
}

static void take_help_of(const char *verb, struct found *found)
{
        _cleanup_free_ char *words = xstrdup(verb);
        char *second = strchr(words, ' ');
        if (second)
                *second++ = '\0';
        _cleanup_free_ char *help =
                orch_says((const char *const[]){ words, "--help", second, NULL });
        strv_add(&found->items, verb);
        free(found->verb);
        found->verb = xstrdup(verb);
        each_line(help, take_option_line, found);
}

Test(manual, the_page_and_the_help_name_the_same_verbs_and_options)
{
        struct found in_manual = { 0 };
        _cleanup_free_ char *manual = read_manual();
        each_line(manual, take_manual_line, &in_manual);

        struct found in_help = { 0 };
        _cleanup_strv_ char **verbs = NULL;
        _cleanup_free_ char *all = orch_says((const char *const[]){ "--help", NULL });
        _cleanup_free_ char *again = xstrdup(all);
        each_line(all, take_verb_line, &verbs);
        cr_assert_gt(strv_length(verbs), 10);
        for (size_t i = 0; verbs[i]; i++)
                take_help_of(verbs[i], &in_help);
        free(in_help.verb);
        in_help.verb = xstrdup("");
        char *globals = strstr(again, "options of every verb:\n");
        cr_assert_not_null(globals);
        each_line(globals + strlen("options of every verb:\n"), take_option_line, &in_help);

        _cleanup_free_ char *expected = found_text(&in_help);
        _cleanup_free_ char *got = found_text(&in_manual);
        cr_assert_str_eq(got, expected, "docs/orch.1 has:\n%s\n\n--help has:\n%s", got, expected);
}
