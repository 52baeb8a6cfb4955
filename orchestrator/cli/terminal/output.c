/* Implements cli/terminal/output.h. The only state is whether the live line is shown; it is static
 * because a process has one terminal. */
#include "cli/terminal/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"

static bool live_is_shown;

bool output_is_terminal(void)
{
        const char *term = getenv("TERM");
        return isatty(STDOUT_FILENO) && !str_empty(term) && !streq(term, "dumb");
}

unsigned output_columns(void)
{
        struct winsize size;
        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void output_live(const char *text)
{
        if (!text && !live_is_shown)
                return;
        /* This cuts at bytes, not columns. That can only make the line too short, never so long
         * that it wraps: a wrapped line could not be redrawn. */
        _cleanup_free_ char *cut = text ? str_one_line(text, output_columns() - 1) : NULL;
        printf("\r%s\033[K", cut ? cut : "");
        fflush(stdout);
        live_is_shown = text;
}

/* A closed pipe is not reported: its reader chose to leave. A failed write to a file is, because
 * otherwise nobody would notice that the file is cut short. */
static bool flush_is_fine(void)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return true;
        if (errno != EPIPE)
                log_error("cannot write to standard output: %s", strerror(errno));
        return false;
}

bool output_line(const char *text)
{
        output_live(NULL);
        _cleanup_free_ char *line = str_one_line(text, OUTPUT_LINE_BYTES);
        fputs(line, stdout);
        fputc('\n', stdout);
        return flush_is_fine();
}

static void print_clean_lines(FILE *stream, const char *text)
{
        while (*text) {
                size_t length = strcspn(text, "\n");
                _cleanup_free_ char *raw = xstrndup(text, length);
                _cleanup_free_ char *line = str_one_line(raw, SIZE_MAX);
                fputs(line, stream);
                fputc('\n', stream);
                text += length + (text[length] == '\n');
        }
}

bool output_text(const char *text)
{
        output_live(NULL);
        print_clean_lines(stdout, text);
        return flush_is_fine();
}

void output_diagnostics(const char *text)
{
        output_live(NULL);
        print_clean_lines(stderr, text);
}

static bool print_json(const json_t *json, size_t flags)
{
        output_live(NULL);
        json_dumpf(json, stdout, flags | JSON_ENCODE_ANY);
        fputc('\n', stdout);
        return flush_is_fine();
}

bool output_json(const json_t *json)
{
        return print_json(json, JSON_INDENT(2));
}

bool output_json_line(const json_t *json)
{
        return print_json(json, JSON_COMPACT);
}

void output_complain(const char *text)
{
        output_live(NULL);
        while (*text) {
                size_t length = strcspn(text, "\n");
                _cleanup_free_ char *line = xstrndup(text, length);
                log_error("%s", line);
                text += length + (text[length] == '\n');
        }
}
