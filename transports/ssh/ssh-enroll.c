/* Implements transports/ssh/ssh-enroll.h. */
#include "transports/ssh/ssh-enroll.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

void ssh_host_key_done(struct ssh_host_key *key)
{
        free(key->type);
        free(key->fingerprint);
        free(key->entry);
        *key = (struct ssh_host_key){ 0 };
}

static int export_entry(ssh_session session, struct ssh_host_key *ret, struct error **err)
{
        char *entry = NULL;
        if (ssh_session_export_known_hosts_entry(session, &entry) != SSH_OK || !entry)
                return error_set(err, ERROR_INTERNAL,
                                 "libssh cannot make a known_hosts entry for the key");
        ret->entry = xstrndup(entry, strcspn(entry, "\r\n"));
        ssh_string_free_char(entry);
        return 0;
}

int ssh_enroll_look(const struct ssh_target *target, int64_t timeout_ms, struct ssh_host_key *ret,
                    struct error **err)
{
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                ssh_connection_to_stranger(target, timeout_ms, err);
        _cleanup_ssh_host_key_ struct ssh_host_key key = { 0 };
        if (!connection ||
            ssh_hostkey_read(connection->session, &key.type, &key.fingerprint, err) < 0 ||
            export_entry(connection->session, &key, err) < 0)
                return -1;
        enum ssh_known_hosts_e state = ssh_session_is_known_server(connection->session);
        bool unknown = state == SSH_KNOWN_HOSTS_UNKNOWN || state == SSH_KNOWN_HOSTS_NOT_FOUND;
        if (!unknown && ssh_hostkey_verify(connection->session, target, err) < 0)
                return error_prefix(err, "%s", target->address);
        *ret = key;
        key = (struct ssh_host_key){ 0 };
        return unknown ? ENROLL_UNKNOWN : ENROLL_KNOWN;
}

/* A file that was edited by hand may lack the newline of its last line, so one is added first.
 * known_hosts may have empty lines. */
int ssh_enroll_enter(const char *known_hosts, const struct ssh_host_key *key, struct error **err)
{
        _cleanup_free_ char *folder = path_directory(known_hosts);
        if (fs_make_dirs(folder, err) < 0)
                return -1;
        _cleanup_close_ int fd = open(known_hosts, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s", known_hosts);
        char last = '\n';
        off_t end = lseek(fd, 0, SEEK_END);
        if (end > 0 && pread(fd, &last, 1, end - 1) != 1)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read %s", known_hosts);
        _cleanup_free_ char *line = xasprintf("%s%s\n", last == '\n' ? "" : "\n", key->entry);
        if (fs_write_all(fd, line, strlen(line), err) < 0)
                return error_prefix(err, "%s", known_hosts);
        return fsync(fd) < 0 ? error_set_errno(err, ERROR_INTERNAL, errno,
                                               "cannot write %s to the disk", known_hosts)
                             : 0;
}
