/* Implements daemon/state/stream.h: a list of lines with a byte count. The head may be read in
 * part; it is then neither replaced nor dropped, so that a reader always gets whole lines. */
#include "daemon/state/stream.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

struct line {
        struct line *next;
        char *text; /* with its newline */
        size_t length;
        char *progress_key;
};

struct stream {
        struct line *head;
        struct line **tail;
        size_t head_read;
        size_t bytes;
        size_t preloaded; /* of `bytes`, those that do not count */
        bool ended;
        bool cut;
        bool starved; /* the reader got 0 and waits for a call */
        int64_t last_push_ms;
        void (*readable)(void *data);
        void *readable_data;
        struct stream_set *set;
        struct stream *next;
        struct stream *previous;
};

struct stream *stream_new(void)
{
        struct stream *stream = xcalloc(1, sizeof *stream);
        stream->tail = &stream->head;
        stream->last_push_ms = clock_monotonic_ms();
        return stream;
}

static void line_free(struct line *line)
{
        free(line->text);
        free(line->progress_key);
        free(line);
}

static void drop_all(struct stream *stream)
{
        while (stream->head) {
                struct line *line = stream->head;
                stream->head = line->next;
                line_free(line);
        }
        stream->tail = &stream->head;
        stream->head_read = 0;
        stream->bytes = 0;
        stream->preloaded = 0;
}

static void leave_set(struct stream *stream)
{
        if (!stream->set)
                return;
        if (stream->previous)
                stream->previous->next = stream->next;
        else
                stream->set->first = stream->next;
        if (stream->next)
                stream->next->previous = stream->previous;
        stream->set = NULL;
        stream->next = NULL;
        stream->previous = NULL;
}

struct stream *stream_free(struct stream *stream)
{
        if (!stream)
                return NULL;
        leave_set(stream);
        drop_all(stream);
        free(stream);
        return NULL;
}

void stream_on_readable(struct stream *stream, void (*readable)(void *data), void *data)
{
        stream->readable = readable;
        stream->readable_data = data;
}

static void wake_reader(struct stream *stream)
{
        if (!stream->starved)
                return;
        stream->starved = false;
        if (stream->readable)
                stream->readable(stream->readable_data);
}

static void append_line(struct stream *stream, char *text, size_t length, const char *progress_key)
{
        struct line *line = xcalloc(1, sizeof *line);
        line->text = text;
        line->length = length;
        line->progress_key = xstrdup(progress_key);
        *stream->tail = line;
        stream->tail = &line->next;
        stream->bytes += length;
}

void stream_preload(struct stream *stream, char *text, size_t length)
{
        append_line(stream, text, length, NULL);
        stream->preloaded += length;
        wake_reader(stream);
}

/* The waiting line that a new one of the same key replaces; the head only while its reading has not
 * started. */
static struct line *find_progress(struct stream *stream, const char *key)
{
        for (struct line *line = stream->head; line; line = line->next)
                if (line->progress_key && strcmp(line->progress_key, key) == 0 &&
                    !(line == stream->head && stream->head_read > 0))
                        return line;
        return NULL;
}

static void drop_progress(struct stream *stream)
{
        struct line **link = &stream->head;
        if (stream->head && stream->head_read > 0)
                link = &stream->head->next;
        while (*link) {
                struct line *line = *link;
                if (!line->progress_key) {
                        link = &line->next;
                        continue;
                }
                *link = line->next;
                stream->bytes -= line->length;
                line_free(line);
        }
        stream->tail = link;
}

static size_t counted_bytes(const struct stream *stream)
{
        return stream->bytes - stream->preloaded;
}

void stream_push(struct stream *stream, const char *text, const char *progress_key)
{
        if (stream->ended || stream->cut)
                return;
        size_t length = strlen(text) + 1;
        char *owned = xmalloc(length + 1);
        memcpy(owned, text, length - 1);
        memcpy(owned + length - 1, "\n", 2);
        stream->last_push_ms = clock_monotonic_ms();
        struct line *old = progress_key ? find_progress(stream, progress_key) : NULL;
        if (old) {
                stream->bytes += length - old->length;
                free(old->text);
                old->text = owned;
                old->length = length;
                return;
        }
        if (stream->bytes > 0 && counted_bytes(stream) + length > STREAM_LIMIT_BYTES)
                drop_progress(stream);
        if (stream->bytes > 0 && counted_bytes(stream) + length > STREAM_LIMIT_BYTES) {
                free(owned);
                stream_cut(stream);
                return;
        }
        append_line(stream, owned, length, progress_key);
        wake_reader(stream);
}

void stream_end(struct stream *stream)
{
        stream->ended = true;
        wake_reader(stream);
}

void stream_cut(struct stream *stream)
{
        drop_all(stream);
        stream->cut = true;
        /* Also when the reader is not waiting: a client that does not read is woken by its
         * connection being shut down. */
        if (stream->readable)
                stream->readable(stream->readable_data);
}

/* Bytes of the preload that are read are no longer exempt: they are gone from `bytes` too. */
static void note_consumed(struct stream *stream, size_t n)
{
        stream->bytes -= n;
        stream->preloaded -= n < stream->preloaded ? n : stream->preloaded;
}

ssize_t stream_read(struct stream *stream, char *buffer, size_t size)
{
        if (stream->cut)
                return -2;
        size_t done = 0;
        while (stream->head && done < size) {
                struct line *line = stream->head;
                size_t n = line->length - stream->head_read;
                if (n > size - done)
                        n = size - done;
                memcpy(buffer + done, line->text + stream->head_read, n);
                done += n;
                stream->head_read += n;
                note_consumed(stream, n);
                if (stream->head_read < line->length)
                        break;
                stream->head = line->next;
                if (!stream->head)
                        stream->tail = &stream->head;
                stream->head_read = 0;
                line_free(line);
        }
        if (done)
                return (ssize_t)done;
        if (stream->ended)
                return -1;
        stream->starved = true;
        return 0;
}

bool stream_is_cut(const struct stream *stream)
{
        return stream->cut;
}

int64_t stream_last_push_ms(const struct stream *stream)
{
        return stream->last_push_ms;
}

size_t stream_waiting_bytes(const struct stream *stream)
{
        return stream->bytes;
}

void stream_join(struct stream *stream, struct stream_set *set)
{
        leave_set(stream);
        stream->set = set;
        stream->next = set->first;
        if (set->first)
                set->first->previous = stream;
        set->first = stream;
}

void stream_set_push(struct stream_set *set, const char *line, const char *progress_key)
{
        /* A push only marks and queues; it never frees a stream, so the list stays as it is. */
        for (struct stream *stream = set->first; stream; stream = stream->next)
                stream_push(stream, line, progress_key);
}

void stream_set_end(struct stream_set *set, const char *line)
{
        while (set->first) {
                struct stream *stream = set->first;
                leave_set(stream);
                if (line)
                        stream_push(stream, line, NULL);
                stream_end(stream);
        }
}

size_t stream_set_count(const struct stream_set *set)
{
        size_t n = 0;
        for (const struct stream *stream = set->first; stream; stream = stream->next)
                n++;
        return n;
}
