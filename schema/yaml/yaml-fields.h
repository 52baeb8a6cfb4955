/* Tables that define what a mapping of a configuration file may hold: key, type, where the value
 * goes, its range or its words.
 *
 * A reader walks the table, fills the struct and reports *all* mistakes: unknown keys with the
 * nearest valid one, wrong types, values out of range, what is missing. What was not given keeps
 * the value that the struct had before: that is where defaults are set. Values that were refused
 * leave their member as it was. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "schema/yaml/problems.h"
#include "schema/yaml/yaml-document.h"

struct field_reader {
        const char *file;
        struct problems *problems;
};

struct field;

/* NULL when the text is fine; else what was expected: "an absolute path", a constant. */
typedef const char *field_check(const char *text);
/* Reads a value that needs more than a type. `member` points at where it goes. */
typedef void field_read(const struct field_reader *reader, const struct field *field,
                        const struct yaml_node *node, void *member);

enum field_type {
        FIELD_TEXT,     /* char *: one line, not empty unless may_be_empty */
        FIELD_TEXTS,    /* char **: a list of texts */
        FIELD_UNSIGNED, /* unsigned, min … max */
        FIELD_INT,      /* int, min … max */
        FIELD_REAL,     /* double, min … max */
        FIELD_BOOL,     /* bool */
        FIELD_WORD,     /* an enum (as unsigned): the index in words */
        FIELD_MAPPING,  /* a mapping of its own: `fields`, with offsets from this member */
        FIELD_CUSTOM,   /* read() */
        FIELD_OWN,      /* any key that begins with `name` is the user's own and is not read */
};

/* Tables end with an entry without a name. */
struct field {
        const char *name;
        enum field_type type;
        size_t offset;
        bool required;
        bool may_be_empty;
        bool multiline; /* FIELD_TEXT, FIELD_TEXTS: newlines and tabs are fine */
        bool unique;    /* FIELD_TEXTS: no entry twice */
        /* FIELD_TEXT: what stands there by mistake may be a secret and is not put into messages */
        bool hidden;
        long min;
        long max;
        const char *const *words; /* NULL-terminated */
        field_check *check;
        const struct field *fields;
        field_read *read;
};

/* Reads `mapping` into `object`. A key that it lacks is taken from `fallback` (defaults; may be
 * NULL, whose own keys are not checked here). `what` names the mapping in messages: "a VM". Returns
 * false when `mapping` is not a mapping. */
bool fields_read(const struct field_reader *reader, const struct field *fields, const char *what,
                 const struct yaml_node *mapping, const struct yaml_node *fallback, void *object);

/* Adds a problem at a node's place. */
void field_problem(const struct field_reader *reader, const struct yaml_node *node,
                   const char *format, ...) _printf_(3, 4);
/* "<key>: expected <expected>, found <what stands there>". */
void field_expected(const struct field_reader *reader, const char *key,
                    const struct yaml_node *node, const char *expected);

/* A node's text as the field wants it (see FIELD_TEXT), or NULL after a problem. The document keeps
 * ownership. */
const char *field_text(const struct field_reader *reader, const struct field *field,
                       const struct yaml_node *node);
/* Looks a word up: its index, or -1 after a problem that lists the words and the nearest. */
int field_word(const struct field_reader *reader, const char *key, const struct yaml_node *node,
               const char *const words[]);
