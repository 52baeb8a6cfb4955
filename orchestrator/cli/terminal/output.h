/* Output to stdout: lines of printable UTF-8, short enough for Bacula's job log and flushed one by
 * one; on a terminal also a live progress line, which every printed line moves down. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Bacula copies the output of a RunScript line by line into its job log, and cuts each line at 500
 * bytes. */
enum { OUTPUT_LINE_BYTES = 480 };

/* Prints one line, cleaned and cut to OUTPUT_LINE_BYTES, and flushes it. False if stdout cannot be
 * written (a closed pipe, a full disk). */
bool output_line(const char *text);
/* Prints several lines (a table, help), cleaned but not cut. False if stdout cannot be written. */
bool output_text(const char *text);
/* Prints JSON, indented, with a final newline. False if stdout cannot be written. */
bool output_json(const json_t *json);
/* The same on one line, for a stream. */
bool output_json_line(const json_t *json);

/* Prints several lines (a list of problems) on stderr, cleaned. */
void output_diagnostics(const char *text);
/* Prints each line of the text on stderr as "error: …". */
void output_complain(const char *text);

/* Shows the text in the live line, cut to the terminal's width; NULL clears it. Only if
 * output_is_terminal(). */
void output_live(const char *text);

/* Whether stdout is a terminal that can redraw a line. */
bool output_is_terminal(void);
/* The number of columns of the terminal; 80 if it is unknown. */
unsigned output_columns(void);
