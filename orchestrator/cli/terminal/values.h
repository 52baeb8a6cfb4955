/* Reads the daemon's JSON for display. A field that is missing or of another type reads as empty
 * and is not an error, so that an older client can show what it knows of a newer daemon's answer.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The string, or "" (also for null). Never NULL; the object keeps ownership. */
const char *value_text(const json_t *object, const char *name);
/* The number, or `otherwise`. */
int64_t value_integer(const json_t *object, const char *name, int64_t otherwise);
bool value_bool(const json_t *object, const char *name);
/* The array or object, or NULL. The object keeps ownership. */
const json_t *value_array(const json_t *object, const char *name);
const json_t *value_object(const json_t *object, const char *name);

/* For display; the caller frees. Bytes: "1.5 GiB", or "" if there is no number. Time: an RFC 3339
 * text as local time, or "" if there is none. */
char *value_bytes(const json_t *object, const char *name);
char *value_local_time(const json_t *object, const char *name);

/* "1 VM", "5 VMs": the plural adds an s. The caller frees. */
char *format_count(int64_t n, const char *word);
