/* For tests/schema/test-message-schemas.py. Without an argument: prints a sample of every kind, one
 * "KIND<tab>JSON" a line. With "parse": reads such lines and answers each with "ok<tab>JSON as
 * written again" or "refused<tab>why". */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "samples.h"
#include "schema/json/json-fields.h"

static void emit(const char *kind, char *text)
{
        _cleanup_free_ char *owned = text;
        _cleanup_json_ json_t *json = json_loads(owned, 0, NULL);
        _cleanup_free_ char *line = json_write_line(json);
        printf("%s\t%s\n", kind, line);
}

static void emit_samples(void)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        emit("backup-metadata", metadata_format(metadata));
        _cleanup_(metadata_freep) struct metadata *failed = sample_failed_metadata();
        emit("backup-metadata", metadata_format(failed));
        _cleanup_point_state_ struct point_state state = sample_state();
        emit("state", point_state_format(&state));
        struct point_state nothing = { 0 };
        emit("state", point_state_format(&nothing));
        _cleanup_(job_request_freep) struct job_request *request = sample_request();
        emit("job-request", job_request_format(request));
        request->action = JOB_HYPERVISOR_CHECK;
        request->hypervisor = xstrdup("hypervisor-01");
        xstrdup_replace(&request->vm, NULL);
        emit("job-request", job_request_format(request));
        _cleanup_(summary_freep) struct summary *summary = sample_summary();
        emit("last-run-summary", summary_format(summary));
        for (int type = EVENT_STEP; type <= EVENT_RESULT; type++) {
                _cleanup_(event_freep) struct event *event = sample_event((enum event_type)type);
                emit("event", event_format(event));
        }
        _cleanup_(restore_journal_freep) struct restore_journal *journal = sample_journal();
        emit("restore-journal", restore_journal_format(journal));
        _cleanup_(event_freep) struct event *failure = event_new(EVENT_RESULT);
        failure->status = xstrdup("failed");
        failure->error = xstrdup("it did not work");
        failure->error_kind = ERROR_TIMEOUT;
        emit("event", event_format(failure));
}

/* Reads and writes again; NULL when it was refused. */
static char *rewrite(const char *kind, const char *text, struct error **err)
{
        size_t length = strlen(text);
        if (streq(kind, "backup-metadata")) {
                _cleanup_(metadata_freep) struct metadata *metadata =
                        metadata_parse(text, length, err);
                return metadata ? metadata_format(metadata) : NULL;
        }
        if (streq(kind, "state")) {
                _cleanup_point_state_ struct point_state state = { 0 };
                return point_state_parse(text, length, &state, err) < 0
                               ? NULL
                               : point_state_format(&state);
        }
        if (streq(kind, "job-request")) {
                _cleanup_(job_request_freep) struct job_request *request =
                        job_request_parse(text, length, err);
                return request ? job_request_format(request) : NULL;
        }
        if (streq(kind, "last-run-summary")) {
                _cleanup_(summary_freep) struct summary *summary = summary_parse(text, length, err);
                return summary ? summary_format(summary) : NULL;
        }
        if (streq(kind, "restore-journal")) {
                _cleanup_(restore_journal_freep) struct restore_journal *journal =
                        restore_journal_parse(text, length, err);
                return journal ? restore_journal_format(journal) : NULL;
        }
        _cleanup_(event_freep) struct event *event = event_parse(text, length, err);
        return event ? event_format(event) : NULL;
}

static void parse_lines(void)
{
        _cleanup_free_ char *line = NULL;
        size_t capacity = 0;
        while (getline(&line, &capacity, stdin) > 0) {
                char *tab = strchr(line, '\t');
                if (!tab)
                        continue;
                *tab = '\0';
                _cleanup_error_ struct error *err = NULL;
                char *text = rewrite(line, tab + 1, &err);
                if (text)
                        emit("ok", text);
                else
                        printf("refused\t%s\n", err->message);
        }
}

int main(int argc, char **argv)
{
        if (argc == 2 && streq(argv[1], "parse"))
                parse_lines();
        else
                emit_samples();
        return 0;
}
