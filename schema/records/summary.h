/* metadata/last-run-summary.json ("format": 1, schema/last-run-summary.schema.json): how the last
 * cycle went, for monitoring and for the weekly notice. Read back strictly, like the metadata of a
 * point. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct summary_vm {
        char *vm;
        char *hypervisor; /* NULL: not found yet */
        char *job;        /* NULL: no job was started for it */
        char *status;     /* "ok", "failed", "cancelled", "skipped" */
        char *point;      /* NULL where none was made */
        char *error;      /* NULL when ok */
        char *error_kind; /* error_kind_name(); NULL when ok */
        char **warnings;
        uint64_t stored_bytes;
        int64_t duration_seconds;
};

struct summary {
        char *orch_version;
        char *repository_uuid;
        int64_t started; /* epoch seconds, UTC */
        int64_t finished;
        int64_t duration_seconds;
        uint64_t total; /* these five: numbers of VMs */
        uint64_t succeeded;
        uint64_t failed;
        uint64_t skipped;
        uint64_t cancelled;
        uint64_t stored_bytes;
        struct summary_vm *vms; /* in the order they were taken */
        size_t n_vms;
};

struct summary *summary_new(void);
struct summary *summary_free(struct summary *summary);
DEFINE_FREEP(struct summary, summary_free)

/* A zeroed entry at the list's end, valid until the next one is added; the caller fills it in. */
struct summary_vm *summary_add_vm(struct summary *summary);
/* Sets the end, and works out the totals from the list. To be called before summary_format(). */
void summary_finish(struct summary *summary, int64_t finished);

/* The JSON text, indented, ends with a newline; the caller frees. */
char *summary_format(const struct summary *summary);
/* Reads it back: ERROR_CORRUPT when a field is missing or wrong, ERROR_REFUSED for a newer format.
 * The caller frees. */
struct summary *summary_parse(const char *text, size_t length, struct error **err) _must_check_;
