/* Options on the command line, parsed with tables: `--name`, `--name=VALUE`, `--name VALUE`, `-n`,
 * `-nVALUE`, `-abc`, and `--`, which ends the options. Options and other words may come in any
 * order. Abbreviations are not accepted; an unknown option is refused and the nearest one is
 * suggested. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct option_spec {
        const char *name;  /* without dashes; NULL ends a table */
        const char *value; /* name of its value in help ("FILE"); NULL: a flag */
        const char *help;
        char letter;     /* '\0': no short form */
        bool repeatable; /* its value may be given more than once (a flag always may) */
};

struct option_given {
        const struct option_spec *spec;
        const char *value; /* points into argv; NULL for a flag */
};

struct options {
        const struct option_spec *tables[2]; /* the valid options; an entry may be NULL */
        struct option_given *given;
        size_t n_given;
        const char **words; /* arguments that are not options, in order, NULL-terminated; point into
                               argv */
        size_t n_words;
};

/* Parses argv (without the program's name, NULL-terminated). ERROR_CONFIG for what cannot be
 * understood. */
int options_parse(const struct option_spec *first, const struct option_spec *second,
                  const char *const argv[], struct options *ret, struct error **err) _must_check_;
void options_done(struct options *options);
#define _cleanup_options_ _cleanup_(options_done)

/* How many times the option was given. The name must be in one of the tables (asserted). */
size_t options_count(const struct options *options, const char *name);
bool options_has(const struct options *options, const char *name);
/* The value, or NULL when it was not given. */
const char *options_get(const struct options *options, const char *name);
/* The n-th value of a repeatable option, from 0, or NULL. */
const char *options_nth(const struct options *options, const char *name, size_t n);

/* The entry of the table for a word such as "--config", "--config=x" or "-q", or NULL. */
const struct option_spec *options_find(const struct option_spec *table, const char *word);
/* Sets ERROR_CONFIG for a word that is in neither table, and suggests the nearest option. Returns
 * -1. */
int options_unknown(const struct option_spec *first, const struct option_spec *second,
                    const char *word, struct error **err);
