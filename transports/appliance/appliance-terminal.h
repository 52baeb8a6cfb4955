/* A terminal session on an appliance: an SSH channel with a shell, the output since the last typed
 * line, and functions to wait for output. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"
#include "transports/ssh/ssh-connection.h"

struct appliance_terminal;

struct appliance_terminal_options {
        /* a step fails if nothing is shown for that long */
        int64_t silence_ms;
        /* called at least every 200 ms; true → ERROR_CANCELLED. May be NULL */
        bool (*cancelled)(void *data);
        void *data;
        const char *line_ending; /* typed after each line */
};

/* Opens a shell on the connection and takes the connection over, also on failure. The strings of
 * `options` are borrowed. The caller frees. */
struct appliance_terminal *appliance_terminal_open(struct ssh_connection *connection,
                                                   const struct appliance_terminal_options *options,
                                                   struct error **err) _must_check_;
/* Never blocks. Returns NULL. */
struct appliance_terminal *appliance_terminal_free(struct appliance_terminal *terminal);
DEFINE_FREEP(struct appliance_terminal, appliance_terminal_free)

/* Types a line. With `forget` the earlier output is dropped, so that what follows is the answer to
 * this line. */
int appliance_terminal_type(struct appliance_terminal *terminal, const char *line, bool forget,
                            struct error **err) _must_check_;

/* Types a last line and waits at most a second for the appliance to hang up. */
void appliance_terminal_leave(struct appliance_terminal *terminal, const char *line);

/* Examines the output: 1: it is complete, 0: wait for more, -1 with an error. */
typedef int appliance_look(struct appliance_terminal *terminal, void *data, struct error **err);

/* Waits until `look` returns 1; it is called whenever the output has paused for a moment. `step` is
 * for messages. ERROR_TIMEOUT: nothing was shown for too long, or the output does not end;
 * ERROR_UNREACHABLE: the appliance hung up; ERROR_CORRUPT: more than 64 MiB were shown. */
int appliance_terminal_wait(struct appliance_terminal *terminal, const char *step,
                            appliance_look *look, void *data, struct error **err) _must_check_;

/* The output as it arrived; the terminal owns it. Never NULL. */
const char *appliance_terminal_shown(const struct appliance_terminal *terminal, size_t *ret_length);
/* Its last line, cleaned, without trailing blanks. The caller frees. */
char *appliance_terminal_last_line(const struct appliance_terminal *terminal);
