/* Implements cli/terminal/options.h. Values and words point into argv, which outlives them. */
#include "cli/terminal/options.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static const struct option_spec *find_name(const struct option_spec *table, const char *name,
                                           size_t length)
{
        for (; table && table->name; table++)
                if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
                        return table;
        return NULL;
}

static const struct option_spec *find_letter(const struct option_spec *table, char letter)
{
        for (; table && table->name; table++)
                if (table->letter == letter)
                        return table;
        return NULL;
}

const struct option_spec *options_find(const struct option_spec *table, const char *word)
{
        if (str_starts_with(word, "--"))
                return find_name(table, word + 2, strcspn(word + 2, "="));
        return word[0] == '-' && word[1] ? find_letter(table, word[1]) : NULL;
}

int options_unknown(const struct option_spec *first, const struct option_spec *second,
                    const char *word, struct error **err)
{
        _cleanup_free_ char *name = xstrndup(word, strcspn(word, "="));
        _cleanup_free_ char *shown = str_one_line(name, 80);
        _cleanup_strv_ char **names = NULL;
        const struct option_spec *const tables[] = { first, second };
        for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
                for (const struct option_spec *spec = tables[i]; spec && spec->name; spec++)
                        strv_addf(&names, "--%s", spec->name);
        const char *nearest = str_starts_with(name, "--") && names
                                      ? nearest_word(name, (const char *const *)names)
                                      : NULL;
        if (nearest)
                return error_set(err, ERROR_CONFIG, "there is no option %s; did you mean %s?",
                                 shown, nearest);
        return error_set(err, ERROR_CONFIG, "there is no option %s", shown);
}

static int take_option(struct options *options, const struct option_spec *spec, const char *value,
                       struct error **err)
{
        if (spec->value && !spec->repeatable && options_has(options, spec->name))
                return error_set(err, ERROR_CONFIG, "option --%s is given twice", spec->name);
        options->given =
                xrealloc_array(options->given, options->n_given + 1, sizeof *options->given);
        options->given[options->n_given++] = (struct option_given){ .spec = spec, .value = value };
        return 0;
}

static const struct option_spec *find_option(const struct options *options, const char *word)
{
        const struct option_spec *spec = options_find(options->tables[0], word);
        return spec ? spec : options_find(options->tables[1], word);
}

/* `next` is the following word, or NULL. Returns how many words the option takes: 1, or 2 with its
 * value. */
static int parse_long(struct options *options, const char *word, const char *next,
                      struct error **err)
{
        const struct option_spec *spec = find_option(options, word);
        if (!spec)
                return options_unknown(options->tables[0], options->tables[1], word, err);
        const char *equals = strchr(word, '=');
        if (!spec->value && equals)
                return error_set(err, ERROR_CONFIG, "option --%s takes no value", spec->name);
        if (!spec->value || equals)
                return take_option(options, spec, equals ? equals + 1 : NULL, err) < 0 ? -1 : 1;
        if (!next)
                return error_set(err, ERROR_CONFIG, "option --%s needs a value: --%s %s",
                                 spec->name, spec->name, spec->value);
        return take_option(options, spec, next, err) < 0 ? -1 : 2;
}

static int parse_short(struct options *options, const char *word, const char *next,
                       struct error **err)
{
        for (const char *letter = word + 1; *letter; letter++) {
                const char one[] = { '-', *letter, '\0' };
                const struct option_spec *spec = find_option(options, one);
                if (!spec)
                        return options_unknown(options->tables[0], options->tables[1], one, err);
                if (!spec->value) {
                        if (take_option(options, spec, NULL, err) < 0)
                                return -1;
                        continue;
                }
                if (letter[1])
                        return take_option(options, spec, letter + 1, err) < 0 ? -1 : 1;
                if (!next)
                        return error_set(err, ERROR_CONFIG, "option -%c needs a value: -%c %s",
                                         *letter, *letter, spec->value);
                return take_option(options, spec, next, err) < 0 ? -1 : 2;
        }
        return 1;
}

static void add_word(struct options *options, const char *word)
{
        options->words =
                xrealloc_array(options->words, options->n_words + 2, sizeof *options->words);
        options->words[options->n_words++] = word;
        options->words[options->n_words] = NULL;
}

static int parse_option(struct options *options, const char *const argv[], struct error **err)
{
        bool only_words = false;
        for (size_t i = 0; argv[i]; i++) {
                const char *word = argv[i];
                if (only_words || word[0] != '-' || !word[1]) {
                        add_word(options, word);
                        continue;
                }
                if (streq(word, "--")) {
                        only_words = true;
                        continue;
                }
                int taken = (word[1] == '-' ? parse_long : parse_short)(options, word, argv[i + 1],
                                                                        err);
                if (taken < 0)
                        return -1;
                i += (size_t)taken - 1;
        }
        return 0;
}

int options_parse(const struct option_spec *first, const struct option_spec *second,
                  const char *const argv[], struct options *ret, struct error **err)
{
        _cleanup_options_ struct options options = { .tables = { first, second } };
        if (parse_option(&options, argv, err) < 0)
                return -1;
        *ret = options;
        options = (struct options){ 0 };
        return 0;
}

void options_done(struct options *options)
{
        free(options->given);
        free(options->words);
        *options = (struct options){ 0 };
}

static const struct option_given *nth_given(const struct options *options, const char *name,
                                            size_t n)
{
        assert(find_name(options->tables[0], name, strlen(name)) ||
               find_name(options->tables[1], name, strlen(name)));
        for (size_t i = 0; i < options->n_given; i++)
                if (streq(options->given[i].spec->name, name) && n-- == 0)
                        return &options->given[i];
        return NULL;
}

size_t options_count(const struct options *options, const char *name)
{
        size_t n = 0;
        while (nth_given(options, name, n))
                n++;
        return n;
}

bool options_has(const struct options *options, const char *name)
{
        return nth_given(options, name, 0);
}

const char *options_nth(const struct options *options, const char *name, size_t n)
{
        const struct option_given *given = nth_given(options, name, n);
        return given ? given->value : NULL;
}

const char *options_get(const struct options *options, const char *name)
{
        return options_nth(options, name, 0);
}
