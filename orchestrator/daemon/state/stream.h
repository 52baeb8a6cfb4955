/* A subscriber of JSON lines: what waits to be read by one client. Its memory is bounded whatever
 * the client does: a progress line replaces the one of the same key that still waits; when the rest
 * exceeds the limit, waiting progress is dropped, and when that is not enough the stream is cut
 * off: it ends without an "end" line. Nothing here blocks or knows of HTTP.
 *
 * Whoever reads (the control API) owns a stream; whoever writes holds it in a set that it leaves by
 * itself when it is freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* What may wait for one client, beside a preload. One line may be longer when nothing else
 * waits. */
#define STREAM_LIMIT_BYTES ((size_t)256 << 10)

struct stream;

/* Zero-initialised is empty. */
struct stream_set {
        struct stream *first;
};

struct stream *stream_new(void);
/* Leaves its set. Returns NULL. */
struct stream *stream_free(struct stream *stream);
DEFINE_FREEP(struct stream, stream_free)

/* `readable` is called when there is something to read again (data or the end) after stream_read()
 * gave 0, and at a cut in any case. It must not free the stream. */
void stream_on_readable(struct stream *stream, void (*readable)(void *data), void *data);

/* Text that is read before anything else and does not count against the limit; taken over. */
void stream_preload(struct stream *stream, char *text, size_t length);
/* Adds one line (without its newline). `progress_key`: NULL, or what the line reports the progress
 * of. Ignored after the end. */
void stream_push(struct stream *stream, const char *line, const char *progress_key);
/* No more lines come. */
void stream_end(struct stream *stream);
/* Ends it at once and drops what waits. */
void stream_cut(struct stream *stream);

/* Up to `size` bytes; 0: nothing now; -1: the end has been read; -2: it was cut off. */
ssize_t stream_read(struct stream *stream, char *buffer, size_t size);
bool stream_is_cut(const struct stream *stream);
/* CLOCK_MONOTONIC of the last push, for keepalives. */
int64_t stream_last_push_ms(const struct stream *stream);
/* Bytes that wait. */
size_t stream_waiting_bytes(const struct stream *stream);

/* Puts a stream into a set (it leaves the one it was in). */
void stream_join(struct stream *stream, struct stream_set *set);
void stream_set_push(struct stream_set *set, const char *line, const char *progress_key);
/* Pushes `line` (may be NULL), ends all, and empties the set. */
void stream_set_end(struct stream_set *set, const char *line);
size_t stream_set_count(const struct stream_set *set);
