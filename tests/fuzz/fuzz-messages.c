/* What daemon and worker read from each other: requests and events. What is taken has to be written
 * and taken again, the same, and to fit into a line of a job log. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "schema/records/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void try_request(const char *text, size_t size)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(job_request_freep) struct job_request *request =
                job_request_parse(text, size, &err);
        require(!request == !!err);
        if (!request)
                return;
        _cleanup_free_ char *written = job_request_format(request);
        _cleanup_(job_request_freep) struct job_request *again =
                job_request_parse(written, strlen(written), NULL);
        require(again);
        _cleanup_free_ char *written_again = job_request_format(again);
        require(streq(written, written_again));
}

static void try_event(const char *text, size_t size)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(event_freep) struct event *event = event_parse(text, size, &err);
        require(!event == !!err);
        if (!event)
                return;
        _cleanup_free_ char *written = event_format(event);
        require(!strchr(written, '\n'));
        _cleanup_(event_freep) struct event *again = event_parse(written, strlen(written), NULL);
        require(again);
        _cleanup_free_ char *written_again = event_format(again);
        require(streq(written, written_again));
        _cleanup_free_ char *line = event_describe(event, "prod-db-01");
        require(!line || (strlen(line) <= 480 && !strpbrk(line, "\n\r\x1b")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        try_request(text, size);
        try_event(text, size);
        return 0;
}
