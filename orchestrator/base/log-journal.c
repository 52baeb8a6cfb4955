/* Implements base/log-journal.h. Document followed: systemd's JOURNAL_NATIVE_PROTOCOL. Values have
 * no line breaks here, so the short form of a field is enough. A line of at most 8 KiB fits any
 * datagram. */
#include "base/log-journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/strings.h"

enum { VALUE_MAX_BYTES = 256 };

int log_journal_open(void)
{
        const char *given = getenv("ORCH_JOURNAL_SOCKET");
        const char *path = given && *given ? given : "/run/systemd/journal/socket";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof address.sun_path)
                return -1;
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
                return fd;
        close(fd);
        return -1;
}

static void add_field(struct strbuf *out, const char *name, const char *value)
{
        _cleanup_free_ char *clean = value ? str_one_line(value, VALUE_MAX_BYTES) : NULL;
        if (clean)
                strbuf_addf(out, "%s=%s\n", name, clean);
}

bool log_journal_send(int fd, enum log_level level, const struct log_context *context,
                      const char *line)
{
        _cleanup_strbuf_ struct strbuf out = { 0 };
        strbuf_addf(&out, "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=orch\nSYSLOG_PID=%d\n", line,
                    (int)level, (int)getpid());
        add_field(&out, "ORCH_JOB", context->job);
        add_field(&out, "ORCH_VM", context->vm);
        add_field(&out, "ORCH_HYPERVISOR", context->hypervisor);
        return send(fd, out.data, out.length, MSG_NOSIGNAL) == (ssize_t)out.length;
}
