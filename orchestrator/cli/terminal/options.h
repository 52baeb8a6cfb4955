/* Options on the command line, parsed over tables: `--name`, `--name=VALUE`, `--name VALUE`, `-n`,
 * `-nVALUE`, `-abc`, and `--` which ends them. Options and other words may come in any order.
 * Nothing is guessed: an unknown option is refused with the nearest one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct option_spec {
        const char *name;  /* without dashes; NULL ends a table */
        const char *value; /* its value's name for help ("FILE"); NULL: a flag */
        const char *help;
        char letter;     /* '\0': no short form */
        bool repeatable; /* a value that may be given more than once (flags always may) */
};

struct option_given {
        const struct option_spec *spec;
        const char *value; /* points into argv; NULL for a flag */
};

struct options {
        const struct option_spec *tables[2]; /* what may be given; an entry may be NULL */
        struct option_given *given;
        size_t n_given;
        const char **words; /* what is no option, in order; NULL-terminated; point into argv */
        size_t n_words;
};

/* Parses argv (without the program's name, NULL-terminated). ERROR_CONFIG for what cannot be
 * understood. */
int options_parse(const struct option_spec *first, const struct option_spec *second,
                  const char *const argv[], struct options *ret, struct error **err) _must_check_;
void options_done(struct options *options);
#define _cleanup_options_ _cleanup_(options_done)

/* How often it was given. The name must be in one of the tables (asserted). */
size_t options_count(const struct options *options, const char *name);
bool options_has(const struct options *options, const char *name);
/* The value, or NULL when it was not given. */
const char *options_get(const struct options *options, const char *name);
/* The n-th value of a repeatable one, or NULL. */
const char *options_nth(const struct options *options, const char *name, size_t n);

/* The spec that a word such as "--config", "--config=x" or "-q" names in a table, or NULL. */
const struct option_spec *options_find(const struct option_spec *table, const char *word);
/* ERROR_CONFIG for a word that is no option of these tables, with the nearest that is. Returns
 * -1. */
int options_unknown(const struct option_spec *first, const struct option_spec *second,
                    const char *word, struct error **err);
