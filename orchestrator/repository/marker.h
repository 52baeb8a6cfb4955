/* The marker `.orch-repository` at the share's root: the repository's UUID and format. It is a text
 * that an operator, and a shell on a hypervisor, can read:
 *
 *     orch repository
 *     format: 1
 *     uuid: 6f1c1f0e-…
 *     created: 2026-02-01T22:00:15Z */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MARKER_NAME ".orch-repository"
enum { MARKER_FORMAT = 1, MARKER_MAX_BYTES = 4096 };

/* Reads the UUID from a marker's text; the caller frees. ERROR_REFUSED when the text is not a
 * marker or has a newer format. `path` is for messages. */
char *marker_parse(const char *text, size_t length, const char *path,
                   struct error **err) _must_check_;

/* Reads and parses the marker in an open root folder. The caller frees. ERROR_REFUSED when the
 * marker is missing. */
char *marker_read(int root_fd, const char *path, struct error **err) _must_check_;

/* Writes a marker with a new UUID durably and returns the UUID, which the caller frees.
 * ERROR_REFUSED when a marker exists, also when another process makes one at the same time. */
char *marker_create(int root_fd, const char *path, int64_t now, struct error **err) _must_check_;
