/* What goes to stdout: lines that are printable UTF-8 and short enough for Bacula's job log,
 * flushed one by one; and the live progress line on a terminal, which a printed line pushes
 * down. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Bacula copies what a RunScript prints line by line into its job log and cuts a line at 500
 * bytes. */
enum { OUTPUT_LINE_BYTES = 480 };

/* Prints one line, cleaned and cut to OUTPUT_LINE_BYTES, and flushes it. False when stdout is gone
 * (a closed pipe, a full disk). */
bool output_line(const char *text);
/* Prints several lines as they are (tables, help), cleaned but not cut. False when stdout is
 * gone. */
bool output_text(const char *text);
/* Prints JSON, indented, with a final newline; or on one line for a stream. False when stdout is
 * gone. */
bool output_json(const json_t *json);
bool output_json_line(const json_t *json);

/* Several lines on stderr as they are (a list of problems), cleaned. */
void output_diagnostics(const char *text);
/* "error: …" on stderr, a line for each line of the text. */
void output_complain(const char *text);

/* The live line: text replaces what it showed; NULL clears it. Only for a terminal; cut to its
 * width. */
void output_live(const char *text);

/* Whether stdout is a terminal that can redraw a line. */
bool output_is_terminal(void);
/* Columns of the terminal; 80 where that is not known. */
unsigned output_columns(void);
