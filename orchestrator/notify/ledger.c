/* Implements notify/ledger.h. */
#include "notify/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

#define FILE_MAX_BYTES ((size_t)64 << 20)

enum { TEXT_MAX_BYTES = 400 };

#define FIELD(member) .name = #member, .offset = offsetof(struct ledger_row, member)
static const struct json_field row_fields[] = {
        { FIELD(vm), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(hypervisor), .type = JSON_FIELD_TEXT },
        { FIELD(job), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(status), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(error), .type = JSON_FIELD_TEXT },
        { FIELD(warnings), .type = JSON_FIELD_TEXTS, .required = true },
        { FIELD(stored_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(started), .type = JSON_FIELD_TIME },
        { FIELD(finished), .type = JSON_FIELD_TIME, .required = true },
        { 0 },
};

void ledger_done(struct ledger *ledger)
{
        for (size_t i = 0; i < ledger->count; i++)
                json_fields_done(row_fields, &ledger->rows[i]);
        free(ledger->rows);
        *ledger = (struct ledger){ 0 };
}

static void ledger_add_line(struct strbuf *out, const struct ledger_row *row)
{
        _cleanup_json_ json_t *json = json_fields_to_object(row_fields, row);
        _cleanup_free_ char *line = json_write_line(json);
        strbuf_addf(out, "%s\n", line);
}

int ledger_append(const char *path, const struct ledger_row *row, struct error **err)
{
        struct ledger_row kept = *row;
        _cleanup_free_ char *error_text =
                row->error ? str_one_line(row->error, TEXT_MAX_BYTES) : NULL;
        _cleanup_strv_ char **warnings = NULL;
        for (size_t i = 0; row->warnings && row->warnings[i] && i < LEDGER_WARNINGS_MAX; i++) {
                _cleanup_free_ char *warning = str_one_line(row->warnings[i], TEXT_MAX_BYTES);
                strv_add(&warnings, warning);
        }
        kept.error = error_text;
        kept.warnings = warnings;
        /* This newline ends a line that a crash cut off. */
        _cleanup_strbuf_ struct strbuf line = { 0 };
        strbuf_add_char(&line, '\n');
        ledger_add_line(&line, &kept);
        _cleanup_close_ int fd =
                open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write %s", path);
        if (fs_write_all(fd, line.data, line.length, err) < 0)
                return -1;
        return fdatasync(fd) < 0
                       ? error_set_errno(err, ERROR_INTERNAL, errno, "cannot write %s", path)
                       : 0;
}

int ledger_read(const char *path, struct ledger *ret, struct error **err)
{
        struct ledger ledger = { 0 };
        if (access(path, F_OK) < 0 && errno == ENOENT) {
                *ret = ledger;
                return 0;
        }
        _cleanup_free_ char *text = fs_read_file(path, FILE_MAX_BYTES, NULL, err);
        if (!text)
                return -1;
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
                struct ledger_row row = { 0 };
                _cleanup_json_ json_t *json =
                        *line ? json_read_document(line, strlen(line), path, NULL) : NULL;
                if (!json)
                        continue;
                if (json_fields_read(row_fields, json, "", &row, NULL) < 0) {
                        json_fields_done(row_fields, &row);
                        continue;
                }
                ledger.rows = xrealloc_array(ledger.rows, ledger.count + 1, sizeof *ledger.rows);
                ledger.rows[ledger.count++] = row;
        }
        *ret = ledger;
        return 0;
}

int ledger_prune(const char *path, int64_t now, struct error **err)
{
        _cleanup_ledger_ struct ledger ledger = { 0 };
        if (ledger_read(path, &ledger, err) < 0)
                return -1;
        _cleanup_strbuf_ struct strbuf text = { 0 };
        for (size_t i = 0; i < ledger.count; i++)
                if (ledger.rows[i].finished >= now - (int64_t)LEDGER_DAYS * 86400)
                        ledger_add_line(&text, &ledger.rows[i]);
        if (ledger.count == 0)
                return 0;
        return fs_write_file(path, 0640, text.data ? text.data : "", text.length, err);
}
