/* Is a file on the share the qcow2 image that it has to be? By qemu-img, in children that can be
 * killed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct image_expectation {
        uint64_t virtual_bytes;
        const char *backing_file; /* NULL: none */
};

/* The header alone: format, size, backing file, no file outside. Nothing that it names is opened.
 * Errors as below. */
int image_check_header(const char *path, const struct image_expectation *expected,
                       bool (*cancelled)(void *data), void *data, struct error **err) _must_check_;

/* Header first, then the whole structure. Leaked clusters are harmless and only logged. `cancelled`
 * may be NULL. ERROR_CORRUPT says what is wrong; ERROR_INTERNAL when qemu-img could not do it. */
int image_check(const char *path, const struct image_expectation *expected,
                bool (*cancelled)(void *data), void *data, struct error **err) _must_check_;

/* The verdicts on what qemu-img printed; apart for tests. `path` is for messages. */
int image_judge_info(const char *json, const char *path, const struct image_expectation *expected,
                     struct error **err) _must_check_;
int image_judge_check(const char *json, int status, const char *path,
                      struct error **err) _must_check_;
