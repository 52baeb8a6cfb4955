/* Legacy algorithms: those that the configuration names are offered after the secure ones, and no
 * others. libssh before 0.11 accepts only a complete list, so the secure ones are listed here;
 * libssh omits those that it does not know. libssh also decides to which kind a name belongs: it
 * accepts a list only if it knows a name in it. */
#include "base/memory.h"
#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

static const struct {
        const char *sound;
        enum ssh_options_e options[2];
        size_t n;
} kinds[] = {
        { "mlkem768x25519-sha256,sntrup761x25519-sha512,curve25519-sha256,curve25519-sha256@libssh."
          "org,ecdh-sha2-nistp256,"
          "ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group18-sha512,diffie-hellman-"
          "group16-sha512,"
          "diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256",
          { SSH_OPTIONS_KEY_EXCHANGE },
          1 },
        { "ssh-ed25519,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,rsa-sha2-512,"
          "rsa-sha2-256",
          { SSH_OPTIONS_HOSTKEYS, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES },
          2 },
        { "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,"
          "aes192-ctr,aes128-ctr",
          { SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C },
          2 },
        { "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512",
          { SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C },
          2 },
};

static bool is_of_kind(size_t kind, const char *name)
{
        ssh_session scratch = ssh_new();
        bool known = scratch && ssh_options_set(scratch, kinds[kind].options[0], name) == 0;
        ssh_free(scratch);
        return known;
}

static int allow_list(ssh_session session, size_t kind, const char *names, struct error **err)
{
        for (size_t i = 0; i < kinds[kind].n; i++)
                if (ssh_options_set(session, kinds[kind].options[i], names) < 0)
                        return error_set(err, ERROR_CONFIG,
                                         "libssh does not accept the algorithms %s", names);
        return 0;
}

int ssh_algorithms_allow(ssh_session session, char *const *names, struct error **err)
{
        _cleanup_strv_ char **left = strv_copy(names);
        for (size_t kind = 0; kind < ARRAY_LENGTH(kinds); kind++) {
                _cleanup_strbuf_ struct strbuf list = { 0 };
                for (size_t i = 0; left && left[i]; i++) {
                        if (!*left[i] || !is_of_kind(kind, left[i]))
                                continue;
                        strbuf_addf(&list, "%s,%s", list.length ? "" : kinds[kind].sound, left[i]);
                        *left[i] = '\0';
                }
                if (list.length && allow_list(session, kind, list.data, err) < 0)
                        return -1;
        }
        for (size_t i = 0; left && left[i]; i++)
                if (*left[i])
                        return error_set(
                                err, ERROR_CONFIG,
                                "algorithms: \"%s\" is not an SSH algorithm of this libssh (`ssh "
                                "-Q kex`, `key`, `cipher` and `mac` list such names)",
                                left[i]);
        return 0;
}
