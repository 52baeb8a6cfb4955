/* Verifies host keys: only keys in our own known_hosts file are trusted, and a refusal explains how
 * an operator can check the key and add it. No key is ever added automatically. */
#include "base/memory.h"
#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

/* The key that the server showed. */
struct server_key {
        char *type;        /* "ssh-ed25519" */
        char *fingerprint; /* "SHA256:…" */
};

static void server_key_done(struct server_key *key)
{
        free(key->type);
        free(key->fingerprint);
}

static int read_server_key(ssh_session session, struct server_key *ret, struct error **err)
{
        ssh_key key = NULL;
        unsigned char *hash = NULL;
        size_t length = 0;
        if (ssh_get_server_publickey(session, &key) != SSH_OK)
                return error_set(err, ERROR_AUTH, "the SSH server showed no host key");
        int r = ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length);
        char *fingerprint =
                r == SSH_OK ? ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length)
                            : NULL;
        ret->type = xstrdup(ssh_key_type_to_char(ssh_key_type(key)));
        ret->fingerprint = xstrdup(fingerprint ? fingerprint : "unknown");
        ssh_string_free_char(fingerprint);
        ssh_clean_pubkey_hash(&hash);
        ssh_key_free(key);
        return 0;
}

int ssh_hostkey_read(ssh_session session, char **ret_type, char **ret_fingerprint,
                     struct error **err)
{
        struct server_key key = { 0 };
        if (read_server_key(session, &key, err) < 0)
                return -1;
        *ret_type = key.type;
        *ret_fingerprint = key.fingerprint;
        return 0;
}

/* The command that adds the host's keys, quoted so that it can be pasted. */
static char *enter_command(const struct ssh_target *target)
{
        _cleanup_free_ char *port = xasprintf("%u", target->port);
        _cleanup_free_ char *scan = shell_join(
                (const char *const[]){ "ssh-keyscan", "-p", port, target->address, NULL });
        _cleanup_free_ char *file = shell_quote(target->known_hosts);
        return xasprintf("%s >> %s", scan, file);
}

/* The command that removes the host's old keys. */
static char *remove_command(const struct ssh_target *target)
{
        _cleanup_free_ char *host = target->port == 22
                                            ? xstrdup(target->address)
                                            : xasprintf("[%s]:%u", target->address, target->port);
        return shell_join(
                (const char *const[]){ "ssh-keygen", "-f", target->known_hosts, "-R", host, NULL });
}

static const char *where_to_compare(const struct ssh_target *target)
{
        return target->is_appliance ? "the SSH key that the appliance's console shows"
                                    : "`ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub` on the "
                                      "hypervisor's console";
}

static int refuse_unknown(const struct ssh_target *target, const struct server_key *key,
                          struct error **err)
{
        _cleanup_free_ char *enter = enter_command(target);
        return error_set(err, ERROR_AUTH,
                         "its host key is not known: %s has no entry for %s port %u. The server "
                         "showed the %s key %s. Compare it "
                         "with %s; if it is the same, %s: %s",
                         target->known_hosts, target->address, target->port, key->type,
                         key->fingerprint, where_to_compare(target),
                         target->is_appliance ? "type"
                                              : "add it with `orch hypervisor enroll`, or with",
                         enter);
}

static int refuse_changed(const struct ssh_target *target, const struct server_key *key,
                          struct error **err)
{
        _cleanup_free_ char *enter = enter_command(target);
        _cleanup_free_ char *remove = remove_command(target);
        return error_set(err, ERROR_AUTH,
                         "its host key has CHANGED: the server showed the %s key %s, which is not "
                         "the one that %s has for %s port %u. The connection may be intercepted. "
                         "Only if it was reinstalled (compare with %s), type: %s && %s",
                         key->type, key->fingerprint, target->known_hosts, target->address,
                         target->port, where_to_compare(target), remove, enter);
}

int ssh_hostkey_verify(ssh_session session, const struct ssh_target *target, struct error **err)
{
        enum ssh_known_hosts_e state = ssh_session_is_known_server(session);
        if (state == SSH_KNOWN_HOSTS_OK)
                return 0;
        _cleanup_(server_key_done) struct server_key key = { 0 };
        if (read_server_key(session, &key, err) < 0)
                return -1;
        switch (state) {
        case SSH_KNOWN_HOSTS_CHANGED:
        /* known_hosts has a key of another type: an attacker could show a key of this type */
        case SSH_KNOWN_HOSTS_OTHER:
                return refuse_changed(target, &key, err);
        case SSH_KNOWN_HOSTS_UNKNOWN:
        case SSH_KNOWN_HOSTS_NOT_FOUND:
                return refuse_unknown(target, &key, err);
        case SSH_KNOWN_HOSTS_ERROR:
        default: {
                _cleanup_free_ char *reason = ssh_session_reason(session);
                return error_set(err, ERROR_AUTH,
                                 "its host key (%s, %s) cannot be checked against %s: %s", key.type,
                                 key.fingerprint, target->known_hosts, reason);
        }
        }
}
