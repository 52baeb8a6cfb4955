/* A terminal at an appliance: an SSH channel with a shell on it, what has been shown since the last
 * line was typed, and waiting for something to be shown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"
#include "transports/ssh/ssh-connection.h"

struct appliance_terminal;

struct appliance_terminal_options {
        /* a step in which nothing is shown for that long is given up */
        int64_t silence_ms;
        /* asked at least every 200 ms; true → ERROR_CANCELLED. May be NULL */
        bool (*cancelled)(void *data);
        void *data;
        const char *line_ending; /* typed behind each line */
};

/* Takes the connection over, also on failure. The strings of `options` are borrowed. */
struct appliance_terminal *appliance_terminal_open(struct ssh_connection *connection,
                                                   const struct appliance_terminal_options *options,
                                                   struct error **err) _must_check_;
/* Never blocks. Returns NULL. */
struct appliance_terminal *appliance_terminal_free(struct appliance_terminal *terminal);
DEFINE_FREEP(struct appliance_terminal, appliance_terminal_free)

/* Types a line. With `forget`, what was shown before it is dropped: what follows is the answer to
 * this line. */
int appliance_terminal_type(struct appliance_terminal *terminal, const char *line, bool forget,
                            struct error **err) _must_check_;

/* Types a last line and gives the appliance a second to hang up. */
void appliance_terminal_leave(struct appliance_terminal *terminal, const char *line);

/* Looks at what is shown: 1: this is it, 0: go on, -1 with an error. */
typedef int appliance_look(struct appliance_terminal *terminal, void *data, struct error **err);

/* Waits until `look` is content; it is asked whenever a moment has passed in which nothing was
 * shown. `step` is for messages. ERROR_TIMEOUT: nothing was shown for too long, or it never ends;
 * ERROR_UNREACHABLE: the appliance hung up; ERROR_CORRUPT: more than 64 MiB were shown. */
int appliance_terminal_wait(struct appliance_terminal *terminal, const char *step,
                            appliance_look *look, void *data, struct error **err) _must_check_;

/* What was shown, as it came; the terminal keeps it. Never NULL. */
const char *appliance_terminal_shown(const struct appliance_terminal *terminal, size_t *ret_length);
/* The last line of it, cleaned, without blanks at its end. The caller frees. */
char *appliance_terminal_last_line(const struct appliance_terminal *terminal);
