/* Secrets: webhook URLs, passwords of appliances. They come from the environment, else from
 * secrets.conf beside orch.yaml, which only its owner may read; never from the YAML files.
 *
 * A secret has no way to be printed: the struct is opaque, nothing formats it, and its bytes are to
 * be had by one function, whose callers hand them to the library that needs them and to nothing
 * else. Memory that held one is wiped before it is freed. */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct secret;
struct secrets;

/* Reads <directory>/secrets.conf: lines KEY=value, KEY="value" or KEY='value' as a shell has them
 * (in double quotes, a backslash before ", \, $ and ` stands for that character; nothing is
 * expanded), empty lines, and comments (#). A file that does not exist gives an empty table.
 * ERROR_CONFIG when others than its owner may read or write it, when it belongs to somebody else
 * than root or this process's user, or for a line that is none of these; the message names the
 * line's number, never its text. */
struct secrets *secrets_load(const char *directory, struct error **err) _must_check_;
struct secrets *secrets_free(struct secrets *secrets);
DEFINE_FREEP(struct secrets, secrets_free)

/* The secret of that name: the environment wins over the file. NULL when neither has it, or has it
 * empty. The caller frees. `secrets` may be NULL: the environment alone. */
struct secret *secrets_get(const struct secrets *secrets, const char *name);

/* A copy of a text as a secret; for passwords that come from elsewhere. */
struct secret *secret_new(const char *text);
struct secret *secret_free(struct secret *secret);
DEFINE_FREEP(struct secret, secret_free)

/* The bytes, NUL-terminated, for the one call that needs them: never for a message, a log or an
 * argv. The secret keeps ownership. */
const char *secret_expose(const struct secret *secret);
