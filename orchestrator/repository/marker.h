/* The marker `.orch-repository` at the share's root: the share's UUID and the format of what is
 * below. A text that a person and a shell on a hypervisor can read:
 *
 *     orch repository
 *     format: 1
 *     uuid: 6f1c1f0e-…
 *     created: 2026-02-01T22:00:15Z
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MARKER_NAME ".orch-repository"
enum { MARKER_FORMAT = 1, MARKER_MAX_BYTES = 4096 };

/* Reads the UUID out of a marker's text; the caller frees. ERROR_REFUSED when it is not one, or one
 * of a newer format. `path` is for messages. */
char *marker_parse(const char *text, size_t length, const char *path,
                   struct error **err) _must_check_;

/* Reads and parses the marker below an open root. ERROR_REFUSED when there is none. */
char *marker_read(int root_fd, const char *path, struct error **err) _must_check_;

/* Writes a marker with a new UUID, durably; of two at once one wins, and the other is ERROR_REFUSED
 * as when it was there before. The caller frees. */
char *marker_create(int root_fd, const char *path, int64_t now, struct error **err) _must_check_;
