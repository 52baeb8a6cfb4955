/* SHA-256 of a file by OpenSSL, which uses the processor's SHA instructions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct staging_progress;

/* Hashes an open file from its start to its end. `name` is for messages, `size_bytes` (from stat)
 * for progress. `progress` may be NULL; it is called at most every 100 ms, and once at the end.
 * *ret_bytes is the number of bytes read. Returns lower-case hex, which the caller frees.
 * ERROR_CANCELLED when progress->cancelled returns true. */
char *hash_file(int fd, const char *name, uint64_t size_bytes,
                const struct staging_progress *progress, uint64_t *ret_bytes,
                struct error **err) _must_check_;
/* SHA-256 of bytes in memory, in the same form. */
char *hash_bytes(const void *data, size_t length, struct error **err) _must_check_;
