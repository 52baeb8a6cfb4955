/* Implements transports/libvirt/libvirt-error.h. libvirt has one code for "cannot now"
 * (OPERATION_INVALID) and one for "something failed" (INTERNAL_ERROR, OPERATION_FAILED), so for
 * these few codes the error domain, the errno and finally the text of the message decide. */
#include "transports/libvirt/libvirt-error.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "base/strings.h"

enum {
        LONGEST_TEXT = 600,
        AGENT_COMMAND_TIMEOUT = 112 /* VIR_ERR_AGENT_COMMAND_TIMEOUT, since libvirt 11.2 */
};

static bool message_has(const virError *error, const char *const words[])
{
        for (size_t i = 0; error->message && words[i]; i++)
                if (strcasestr(error->message, words[i]))
                        return true;
        return false;
}

/* The kind for the codes that can mean anything. If a QEMU or an agent lost its connection to
 * libvirt, our own connection is not broken. The text after "QEMU agent command" comes from the
 * guest and decides nothing. */
static enum error_kind kind_by_circumstances(const virError *error)
{
        static const char *const guests[] = { "QEMU agent command", NULL };
        static const char *const agent_gone[] = { "read from agent", "write to agent",
                                                  "file from agent", NULL };
        static const char *const space[] = { "No space left", "quota exceeded", NULL };
        static const char *const busy[] = { "another", "in progress", "block job", "active job",
                                            NULL };
        static const char *const gone[] = { "client socket is closed",
                                            "connection closed",
                                            "Connection reset",
                                            "Broken pipe",
                                            "end of file",
                                            NULL };
        if (message_has(error, guests))
                return ERROR_INTERNAL;
        if ((error->code == VIR_ERR_SYSTEM_ERROR &&
             (error->int1 == ENOSPC || error->int1 == EDQUOT)) ||
            message_has(error, space))
                return ERROR_NOSPACE;
        if (error->domain == VIR_FROM_RPC || error->domain == VIR_FROM_REMOTE ||
            (error->domain != VIR_FROM_QEMU && message_has(error, gone)))
                return ERROR_UNREACHABLE;
        if (error->domain == VIR_FROM_QEMU && message_has(error, agent_gone))
                return ERROR_TIMEOUT;
        if (error->code == VIR_ERR_OPERATION_INVALID && message_has(error, busy))
                return ERROR_BUSY;
        return ERROR_INTERNAL;
}

enum error_kind libvirt_error_kind(const virError *error)
{
        if (!error)
                return ERROR_INTERNAL;
        switch (error->code) {
        case VIR_ERR_OPERATION_TIMEOUT:
        case VIR_ERR_AGENT_UNRESPONSIVE:
        case VIR_ERR_AGENT_UNSYNCED:
        case AGENT_COMMAND_TIMEOUT:
                return ERROR_TIMEOUT;
        case VIR_ERR_AUTH_FAILED:
        case VIR_ERR_AUTH_CANCELLED:
        case VIR_ERR_AUTH_UNAVAILABLE:
        case VIR_ERR_ACCESS_DENIED:
                return ERROR_AUTH;
        case VIR_ERR_NO_CONNECT:
        case VIR_ERR_LIBSSH:
        case VIR_ERR_SSH:
        case VIR_ERR_RPC:
                return ERROR_UNREACHABLE;
        case VIR_ERR_BLOCK_COPY_ACTIVE:
        case VIR_ERR_RESOURCE_BUSY:
                return ERROR_BUSY;
        case VIR_ERR_MIGRATE_UNSAFE:
        case VIR_ERR_OPERATION_DENIED:
                return ERROR_REFUSED;
        case VIR_ERR_CHECKPOINT_INCONSISTENT:
                return ERROR_CORRUPT;
        default:
                return kind_by_circumstances(error);
        }
}

int libvirt_error_set(struct error **err)
{
        virErrorPtr error = virGetLastError();
        const char *message = error && error->message ? error->message : "libvirt gave no reason";
        _cleanup_free_ char *text = str_one_line(message, LONGEST_TEXT);
        error_set(err, libvirt_error_kind(error), "%s", text);
        virResetLastError();
        return -1;
}
