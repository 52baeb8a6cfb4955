/* The command line of a network appliance, ready for commands: logged in over SSH, in enable mode,
 * with paging off. A profile (schema/config/appliance-profile.h) describes how its output is to be
 * read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/appliance-profile.h"
#include "schema/config/secrets.h"
#include "transports/ssh/ssh-connection.h"

struct appliance_options {
        /* with is_appliance set; its password also answers a login prompt in the shell */
        struct ssh_target target;
        const struct secret *enable_password;
        const struct appliance_profile *profile;
        /* a step fails if nothing arrives for that long; while output keeps arriving, it may take
         * up to 30 times that */
        int64_t timeout_ms;
        /* called at least every 200 ms; true → ERROR_CANCELLED. May be NULL */
        bool (*cancelled)(void *data);
        void *data;
};

struct appliance_shell;

/* Connects, logs in, enters enable mode and sets up the terminal. What `options` points to is
 * borrowed until the shell is freed. Messages name the address. ERROR_AUTH: the host key, the login
 * or the enable password was not accepted; ERROR_REFUSED: the appliance refused a command of the
 * profile's setup; also ERROR_CONFIG, ERROR_UNREACHABLE, ERROR_TIMEOUT. */
struct appliance_shell *appliance_shell_open(const struct appliance_options *options,
                                             struct error **err) _must_check_;

/* Runs a command to its end. *ret_output is its output, cleaned, without the echo and the prompt;
 * the caller frees. ERROR_CORRUPT: the output was paged, or is larger than 64 MiB. */
int appliance_shell_run(struct appliance_shell *shell, const char *command, char **ret_output,
                        struct error **err) _must_check_;

/* Saves the running configuration with the profile's save command; without one it does nothing.
 * ERROR_REFUSED, with the appliance's answer, if that is not the expected one. */
int appliance_shell_save(struct appliance_shell *shell, struct error **err) _must_check_;

/* Runs one of the profile's captures and validates its output. ERROR_CORRUPT if it is not complete.
 * The caller frees. */
int appliance_shell_capture(struct appliance_shell *shell, const struct appliance_capture *capture,
                            char **ret_text, struct error **err) _must_check_;

/* The appliance's prompt, as learnt at the login: "asav-1#". */
const char *appliance_shell_prompt(const struct appliance_shell *shell);

/* Logs out, which takes at most a second. Returns NULL. */
struct appliance_shell *appliance_shell_free(struct appliance_shell *shell);
DEFINE_FREEP(struct appliance_shell, appliance_shell_free)
