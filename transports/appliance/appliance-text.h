/* From what an appliance's terminal shows to the text that it means. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strings.h"
#include "schema/config/appliance-profile.h"

/* Appends what a terminal would show of these bytes: lines end with one LF; escape sequences, NULs
 * and other control characters but tabs are gone; what a carriage return or a backspace came back
 * to is overwritten, as a pager's mark is. */
void appliance_text_clean(const char *raw, size_t length, struct strbuf *into);

/* How many bytes at the beginning of a cleaned text are the echo of the command: the first line,
 * when it is that, also behind a prompt (`prompt` has no blanks at its end) that came late; else
 * 0. */
size_t appliance_text_echo_length(const char *text, const char *prompt, const char *command);

/* Whether the bytes, not cleaned, hold a pager's mark. The mark, or NULL; owned by the profile. */
const char *appliance_text_pager_mark(const struct appliance_profile *profile, const char *raw,
                                      size_t length);

/* The first line of a cleaned text by which the appliance refuses a command; the caller frees.
 * NULL: it does not. */
char *appliance_text_refusal(const struct appliance_profile *profile, const char *text);

/* Whether a line of a cleaned text matches the pattern. */
bool appliance_text_has_line(const char *text, const char *pattern);

/* Whether a cleaned text is complete: it begins and ends as it has to, and no line of it refuses
 * the command. ERROR_CORRUPT. */
int appliance_text_validate(const struct appliance_profile *profile,
                            const struct appliance_capture *capture, const char *text,
                            struct error **err) _must_check_;

/* Whether two texts differ in more than the lines that differ each time. */
bool appliance_text_differs(const struct appliance_profile *profile, const char *before,
                            const char *after);
