/* Checks whether a file on the share is the expected qcow2 image. qemu-img does this in child
 * processes with a deadline. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct image_expectation {
        uint64_t virtual_bytes;
        const char *backing_file; /* NULL: none */
};

/* Checks the header alone: format, virtual size, backing file, no external data file. No file that
 * the header names is opened. Errors as for image_check(). */
int image_check_header(const char *path, const struct image_expectation *expected,
                       bool (*cancelled)(void *data), void *data, struct error **err) _must_check_;

/* Checks the header first, then the whole structure. Leaked clusters are harmless and only logged.
 * `cancelled` may be NULL. ERROR_CORRUPT when the image is wrong; the message names the problem.
 * ERROR_INTERNAL when qemu-img could not run the check. */
int image_check(const char *path, const struct image_expectation *expected,
                bool (*cancelled)(void *data), void *data, struct error **err) _must_check_;

/* Judge the output of qemu-img; public for tests. `path` is for messages. */
int image_judge_info(const char *json, const char *path, const struct image_expectation *expected,
                     struct error **err) _must_check_;
int image_judge_check(const char *json, int status, const char *path,
                      struct error **err) _must_check_;
