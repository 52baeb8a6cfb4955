/* How to operate one kind of appliance: a YAML file of a few lines
 * (schema/appliance-profile.schema.json), so that a new kind needs no code. Patterns are POSIX
 * extended regular expressions, matched against one line without its end, anywhere in it unless
 * they are anchored. */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "schema/yaml/problems.h"

enum appliance_line_ending { APPLIANCE_SENDS_CR, APPLIANCE_SENDS_LF, APPLIANCE_SENDS_CRLF };

/* A question that it asks while a command runs, and what is typed then. */
struct appliance_answer {
        char *ask; /* a pattern, of a last line that no line end follows */
        char *answer;
};

/* A command whose output becomes a file of the point. */
struct appliance_capture {
        char *file; /* in configs/ */
        char *command;
        char *begins; /* a pattern that the first line with anything in it has to match; or NULL */
        char *ends;   /* the same of the last one; or NULL */
};

struct appliance_profile {
        char *name;
        enum appliance_line_ending line_ending;
        char *prompt;          /* a pattern */
        char *username_prompt; /* patterns of what it asks after the SSH login and for `enable` */
        char *password_prompt;
        char *enable_command; /* NULL: there is no enable mode */
        /* a pattern that the prompt matches there; not NULL with enable_command */
        char *enable_prompt;
        char **setup;       /* commands that make it fit for this: paging off */
        char *save_command; /* NULL: it has nothing to save */
        char *save_expect;  /* a pattern that a line of its answer has to match; or NULL */
        struct appliance_answer *answers;
        size_t n_answers;
        struct appliance_capture *captures;
        size_t n_captures;
        char **pager;          /* texts, not patterns: that paging was not switched off */
        char **errors;         /* patterns of lines that refuse a command */
        char **ignore_changes; /* patterns of lines that differ each time */
        char *logout;          /* a command; or NULL */
};

/* Reads and validates the text of a profile; `path` is named in problems. NULL when it adds at
 * least one error. The caller frees. */
struct appliance_profile *appliance_profile_parse(const char *text, size_t length, const char *path,
                                                  const char *name,
                                                  struct problems *problems) _must_check_;

/* The profile of that name: profiles/<name>.yaml beside the inventory, else the built-in one. A
 * name that is neither is a problem of `inventory_file`, at `line`. The caller frees. */
struct appliance_profile *appliance_profile_load(const char *inventory_file, unsigned line,
                                                 const char *name,
                                                 struct problems *problems) _must_check_;
struct appliance_profile *appliance_profile_free(struct appliance_profile *profile);
DEFINE_FREEP(struct appliance_profile, appliance_profile_free)

/* Compiled patterns. */
struct line_patterns {
        regex_t *items;
        size_t count;
};

/* Compiles the texts; one that is not a valid pattern is left out (a profile's are validated). NULL
 * is an empty list. */
void line_patterns_init(struct line_patterns *patterns, char *const *texts);
/* The same of one; NULL: none. */
void line_patterns_init_one(struct line_patterns *patterns, const char *text);
void line_patterns_done(struct line_patterns *patterns);
#define _cleanup_line_patterns_ _cleanup_(line_patterns_done)
/* Whether one of them matches these bytes, which are one line. */
bool line_patterns_match(const struct line_patterns *patterns, const char *line, size_t length);
