/* Authenticates to an SSH server by key, by password, or by both if the server requires both. The
 * password is sent by the method "password", otherwise as the answer in keyboard-interactive, where
 * the server may ask for it twice. */
#include <errno.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

enum { MAX_ROUNDS = 8, MAX_TIMES_ASKED = 2 };

static void private_key_freep(ssh_key *key)
{
        ssh_key_free(*key);
}

static int load_key(const struct ssh_target *target, ssh_key *ret, struct error **err)
{
        if (access(target->key, R_OK) < 0)
                return error_set_errno(err, ERROR_CONFIG, errno, "cannot read the private key %s",
                                       target->key);
        /* The passphrase is empty and not NULL, because with NULL OpenSSL would ask on the
         * terminal. */
        if (ssh_pki_import_privkey_file(target->key, "", NULL, NULL, ret) != SSH_OK)
                return error_set(err, ERROR_CONFIG,
                                 "%s is not a usable private key (it has to be an OpenSSH or PEM "
                                 "key without passphrase)",
                                 target->key);
        return 0;
}

static int wait_for_answer(struct ssh_connection *connection, const struct ssh_target *target,
                           struct deadline deadline, struct error **err)
{
        if (ssh_session_wait(connection->session, connection->fd, deadline))
                return 0;
        return error_set(err, ERROR_TIMEOUT,
                         "its SSH server did not answer the login of %s in time", target->user);
}

static int connection_broke(struct ssh_connection *connection, const struct ssh_target *target,
                            struct error **err)
{
        _cleanup_free_ char *reason = ssh_session_reason(connection->session);
        return error_set(err, ERROR_UNREACHABLE, "the connection broke while logging in as %s: %s",
                         target->user, reason);
}

/* Each of these functions returns libssh's verdict (SUCCESS, PARTIAL, DENIED), or -1 with an error.
 */
enum { FAILED = -1 };

static int settle_method(struct ssh_connection *connection, const struct ssh_target *target, int r,
                         struct error **err)
{
        return r == SSH_AUTH_SUCCESS || r == SSH_AUTH_PARTIAL || r == SSH_AUTH_DENIED
                       ? r
                       : connection_broke(connection, target, err);
}

static int try_nothing(struct ssh_connection *connection, const struct ssh_target *target,
                       struct deadline deadline, struct error **err)
{
        int r;
        while ((r = ssh_userauth_none(connection->session, NULL)) == SSH_AUTH_AGAIN)
                if (wait_for_answer(connection, target, deadline, err) < 0)
                        return FAILED;
        return settle_method(connection, target, r, err);
}

static int try_key(struct ssh_connection *connection, const struct ssh_target *target,
                   struct deadline deadline, struct error **err)
{
        _cleanup_(private_key_freep) ssh_key key = NULL;
        if (load_key(target, &key, err) < 0)
                return FAILED;
        int r;
        while ((r = ssh_userauth_publickey(connection->session, NULL, key)) == SSH_AUTH_AGAIN)
                if (wait_for_answer(connection, target, deadline, err) < 0)
                        return FAILED;
        return settle_method(connection, target, r, err);
}

static int try_password(struct ssh_connection *connection, const struct ssh_target *target,
                        struct deadline deadline, struct error **err)
{
        int r;
        while ((r = ssh_userauth_password(connection->session, NULL,
                                          secret_expose(target->password))) == SSH_AUTH_AGAIN)
                if (wait_for_answer(connection, target, deadline, err) < 0)
                        return FAILED;
        return settle_method(connection, target, r, err);
}

/* Answers one round: an echoed question is for the name, a hidden one for the password. False if
 * the password is asked for too often. */
static bool answer_round(ssh_session session, const struct ssh_target *target,
                         unsigned *times_asked)
{
        int n = ssh_userauth_kbdint_getnprompts(session);
        for (unsigned i = 0; n > 0 && i < (unsigned)n; i++) {
                char echoed = 0;
                (void)ssh_userauth_kbdint_getprompt(session, i, &echoed);
                if (!echoed && ++*times_asked > MAX_TIMES_ASKED)
                        return false;
                (void)ssh_userauth_kbdint_setanswer(
                        session, i, echoed ? target->user : secret_expose(target->password));
        }
        return true;
}

static int try_questions(struct ssh_connection *connection, const struct ssh_target *target,
                         struct deadline deadline, struct error **err)
{
        unsigned times_asked = 0;
        for (int round = 0; round < MAX_ROUNDS; round++) {
                int r;
                while ((r = ssh_userauth_kbdint(connection->session, NULL, NULL)) == SSH_AUTH_AGAIN)
                        if (wait_for_answer(connection, target, deadline, err) < 0)
                                return FAILED;
                if (r != SSH_AUTH_INFO)
                        return settle_method(connection, target, r, err);
                if (!answer_round(connection->session, target, &times_asked))
                        return SSH_AUTH_DENIED;
        }
        return SSH_AUTH_DENIED;
}

static int login_is_refused(const struct ssh_target *target, int verdict, struct error **err)
{
        const char *more = verdict == SSH_AUTH_PARTIAL ? " (it also requires a second factor)" : "";
        if (!target->password && !target->is_appliance)
                return error_set(err, ERROR_AUTH,
                                 "login as %s with the key %s was refused%s: add %s.pub to "
                                 "~%s/.ssh/authorized_keys on the hypervisor",
                                 target->user, target->key, more, target->key, target->user);
        return error_set(err, ERROR_AUTH, "login as %s with %s%s%s was refused%s", target->user,
                         target->key ? "the key " : "", target->key ? target->key : "",
                         target->password ? target->key ? " and the password" : "the password" : "",
                         more);
}

static int try_secrets(struct ssh_connection *connection, const struct ssh_target *target,
                       struct deadline deadline, struct error **err)
{
        bool by_password =
                (ssh_userauth_list(connection->session, NULL) & (int)SSH_AUTH_METHOD_PASSWORD) != 0;
        int r = by_password ? try_password(connection, target, deadline, err) : SSH_AUTH_PARTIAL;
        if (r != SSH_AUTH_PARTIAL)
                return r;
        if (ssh_userauth_list(connection->session, NULL) & (int)SSH_AUTH_METHOD_INTERACTIVE)
                return try_questions(connection, target, deadline, err);
        return by_password ? r : error_set(err, ERROR_AUTH, "its SSH server accepts no password");
}

int ssh_authenticate(struct ssh_connection *connection, const struct ssh_target *target,
                     struct deadline deadline, struct error **err)
{
        int r = target->key ? try_key(connection, target, deadline, err)
                            : try_nothing(connection, target, deadline, err);
        if (r != FAILED && r != SSH_AUTH_SUCCESS && target->password)
                r = try_secrets(connection, target, deadline, err);
        if (r == FAILED || r == SSH_AUTH_SUCCESS)
                return r == FAILED ? -1 : 0;
        return login_is_refused(target, r, err);
}
