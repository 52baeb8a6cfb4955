/* The command line of an appliance, ready for commands: logged in over SSH, in enable mode, paging
 * off. What it says is read as a profile (schema/config/appliance-profile.h) tells. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/appliance-profile.h"
#include "schema/config/secrets.h"
#include "transports/ssh/ssh-connection.h"

struct appliance_options {
        /* with is_appliance; its password is also what a login prompt in the shell gets */
        struct ssh_target target;
        const struct secret *enable_password;
        const struct appliance_profile *profile;
        /* a step in which nothing arrives for so long is given up; one that goes on telling may
         * take 30 times that */
        int64_t timeout_ms;
        /* asked at least every 200 ms; true → ERROR_CANCELLED. May be NULL */
        bool (*cancelled)(void *data);
        void *data;
};

struct appliance_shell;

/* Connects, logs in, enters enable mode and makes the terminal fit. What `options` point at is
 * borrowed until the shell is freed. Messages name the address. ERROR_AUTH: a host key, a login or
 * an enable password was not accepted; ERROR_REFUSED: a command of the profile's setup was;
 * ERROR_CONFIG, ERROR_UNREACHABLE, ERROR_TIMEOUT as they say. */
struct appliance_shell *appliance_shell_open(const struct appliance_options *options,
                                             struct error **err) _must_check_;

/* Runs a command to its end. *ret_output is what it printed, cleaned, without its echo and the
 * prompt; the caller frees. ERROR_CORRUPT: the appliance pages, or prints more than 64 MiB. */
int appliance_shell_run(struct appliance_shell *shell, const char *command, char **ret_output,
                        struct error **err) _must_check_;

/* Saves the running configuration as the profile says; without a save command there, does nothing.
 * ERROR_REFUSED with what the appliance said when that is not what it has to say. */
int appliance_shell_save(struct appliance_shell *shell, struct error **err) _must_check_;

/* The output of one of the profile's captures, validated: ERROR_CORRUPT when it is not complete.
 * The caller frees. */
int appliance_shell_capture(struct appliance_shell *shell, const struct appliance_capture *capture,
                            char **ret_text, struct error **err) _must_check_;

/* The prompt, as learnt: "asav-1#". */
const char *appliance_shell_prompt(const struct appliance_shell *shell);

/* Logs out, which takes a second at most. Returns NULL. */
struct appliance_shell *appliance_shell_free(struct appliance_shell *shell);
DEFINE_FREEP(struct appliance_shell, appliance_shell_free)
