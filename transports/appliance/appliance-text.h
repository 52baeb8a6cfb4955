/* Converts the output of an appliance's terminal to plain text, and examines it. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strings.h"
#include "schema/config/appliance-profile.h"

/* Appends what a terminal would show for these bytes. Lines end with one LF. Escape sequences, NULs
 * and other control characters except tabs are removed. Text after a carriage return or a backspace
 * overwrites the text there, such as a pager's mark. */
void appliance_text_clean(const char *raw, size_t length, struct strbuf *into);

/* How many bytes at the beginning of a cleaned text are the echo of the command: the first line, if
 * it is the command, also after a late prompt (`prompt` has no trailing blanks); otherwise 0. */
size_t appliance_text_echo_length(const char *text, const char *prompt, const char *command);

/* The pager's mark in these bytes, which are not cleaned; NULL if there is none. The profile owns
 * it. */
const char *appliance_text_pager_mark(const struct appliance_profile *profile, const char *raw,
                                      size_t length);

/* The first line of a cleaned text that refuses a command, or NULL. The caller frees. */
char *appliance_text_refusal(const struct appliance_profile *profile, const char *text);

/* Whether a line of a cleaned text matches the pattern. */
bool appliance_text_has_line(const char *text, const char *pattern);

/* Checks that a cleaned text is complete: its first and last lines match the capture's patterns,
 * and no line refuses the command. ERROR_CORRUPT if not. */
int appliance_text_validate(const struct appliance_profile *profile,
                            const struct appliance_capture *capture, const char *text,
                            struct error **err) _must_check_;

/* Whether two texts differ, without the lines that the profile ignores because they always differ.
 */
bool appliance_text_differs(const struct appliance_profile *profile, const char *before,
                            const char *after);
