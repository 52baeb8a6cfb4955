/* A message as a value: its subject, its audience, and its text in parts, which each form (Slack,
 * JSON, text) lays out in its own way. All added text is cleaned (valid UTF-8, no control
 * characters but line ends) and truncated, so that output of a guest or a hypervisor is bounded
 * from the start. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/settings.h"

/* Longer ones are cut. */
#define NOTICE_TITLE_MAX_BYTES ((size_t)140)
#define NOTICE_FACT_MAX_BYTES ((size_t)500)
#define NOTICE_PART_MAX_BYTES ((size_t)12000)

/* "hypervisor", "Hypervisor", "hypervisor-01" */
struct notice_fact {
        char *name; /* for machines: a word */
        char *label;
        char *value;
};

/* A paragraph with a heading. */
struct notice_part {
        char *label;
        char *text;
        bool verbatim; /* foreign text (an error, log lines): shown in fixed width */
};

struct notice {
        char *id;   /* of this message, so that receivers can recognise a repeated delivery */
        char *kind; /* "job-failed", "share-unavailable", …: a word for machines */
        enum notice_severity severity;
        int64_t time; /* epoch seconds */
        char *title;
        bool about_vms; /* then a channel with tags gets it only if it has one of these */
        char **tags;
        struct notice_fact *facts;
        size_t n_facts;
        struct notice_part *parts;
        size_t n_parts;
};

/* Makes a message with a new id. The caller frees. */
struct notice *notice_new(const char *kind, enum notice_severity severity, int64_t time,
                          const char *format, ...) _printf_(4, 5);
struct notice *notice_free(struct notice *notice);
DEFINE_FREEP(struct notice, notice_free)
#define _cleanup_notice_ _cleanup_(notice_freep)
/* A copy with the same id. The caller frees. */
struct notice *notice_copy(const struct notice *notice);

/* Adds a fact. A NULL or empty value is left out. `name` and `label` are constants. */
void notice_add_fact(struct notice *notice, const char *name, const char *label, const char *value);
void notice_add_factf(struct notice *notice, const char *name, const char *label,
                      const char *format, ...) _printf_(4, 5);
/* Adds a part. A NULL or empty text is left out. */
void notice_add_part(struct notice *notice, const char *label, bool verbatim, const char *text);
/* Marks the message as one about a VM with these tags (may be NULL). */
void notice_add_tags(struct notice *notice, char *const *tags);

/* The JSON form for the spool, a new reference; and the reverse, ERROR_CORRUPT for any other JSON.
 */
json_t *notice_to_json(const struct notice *notice);
struct notice *notice_from_json(json_t *json, struct error **err) _must_check_;
