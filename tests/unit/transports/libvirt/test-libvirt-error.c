/* libvirt's errors as ours. */
#include <criterion/criterion.h>
#include <errno.h>
#include <libvirt/libvirt.h>

#include "base/strings.h"
#include "transports/libvirt/libvirt-error.h"

static const struct {
        int code;
        int domain;
        int errnum;
        const char *message;
        enum error_kind kind;
} cases[] = {
        { VIR_ERR_OPERATION_TIMEOUT, VIR_FROM_QEMU, 0,
          "Timed out during operation: cannot acquire state change lock", ERROR_TIMEOUT },
        { VIR_ERR_AGENT_UNRESPONSIVE, VIR_FROM_QEMU, 0,
          "Guest agent is not responding: QEMU guest agent is not connected", ERROR_TIMEOUT },
        { 112, VIR_FROM_QEMU, 0, "guest agent didn't respond to command within '5' seconds",
          ERROR_TIMEOUT },
        { VIR_ERR_AUTH_FAILED, VIR_FROM_LIBSSH, 0,
          "authentication failed: HOST IDENTIFICATION HAS CHANGED", ERROR_AUTH },
        { VIR_ERR_NO_CONNECT, VIR_FROM_RPC, 0, "no connection driver available",
          ERROR_UNREACHABLE },
        { VIR_ERR_RPC, VIR_FROM_RPC, 0, "connection closed due to keepalive timeout",
          ERROR_UNREACHABLE },
        { VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, ECONNRESET,
          "Cannot recv data: Connection reset by peer", ERROR_UNREACHABLE },
        { VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, 0, "internal error: client socket is closed",
          ERROR_UNREACHABLE },
        { VIR_ERR_BLOCK_COPY_ACTIVE, VIR_FROM_QEMU, 0,
          "block copy still active: disk 'vda' not ready for pivot yet", ERROR_BUSY },
        { VIR_ERR_OPERATION_INVALID, VIR_FROM_QEMU, 0, "another backup job is already running",
          ERROR_BUSY },
        { VIR_ERR_OPERATION_INVALID, VIR_FROM_QEMU, 0,
          "Requested operation is not valid: domain is not running", ERROR_INTERNAL },
        { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, ENOSPC, "cannot create file", ERROR_NOSPACE },
        { VIR_ERR_OPERATION_FAILED, VIR_FROM_QEMU, 0, "Could not write: No space left on device",
          ERROR_NOSPACE },
        { VIR_ERR_CHECKPOINT_INCONSISTENT, VIR_FROM_QEMU, 0, "bitmap is inconsistent",
          ERROR_CORRUPT },
        { VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU, 0, "Domain not found", ERROR_INTERNAL },
        /* A QEMU or an agent that is gone is not the hypervisor gone. */
        { VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, 0,
          "internal error: End of file from qemu monitor (vm='web')", ERROR_INTERNAL },
        { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, ECONNRESET,
          "Unable to read from monitor: Connection reset by peer", ERROR_INTERNAL },
        { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, ECONNRESET,
          "Unable to read from agent: Connection reset by peer", ERROR_TIMEOUT },
        { VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU, EPIPE, "Unable to write to agent: Broken pipe",
          ERROR_TIMEOUT },
        { VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, 0, "internal error: End of file from agent socket",
          ERROR_TIMEOUT },
        /* What a guest says is its own affair. */
        { VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, 0,
          "internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': "
          "Connection reset by peer",
          ERROR_INTERNAL },
        { 113, VIR_FROM_QEMU, 0,
          "guest agent command failed: unable to execute QEMU agent command 'guest-exec': No space "
          "left on device, read from agent",
          ERROR_INTERNAL },
};

Test(libvirt_error, kinds)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                virError error = {
                        .code = cases[i].code,
                        .domain = cases[i].domain,
                        .int1 = cases[i].errnum,
                        .message = (char *)cases[i].message,
                };
                cr_expect_eq(libvirt_error_kind(&error), cases[i].kind, "%s: %s", cases[i].message,
                             error_kind_name(libvirt_error_kind(&error)));
        }
        cr_expect_eq(libvirt_error_kind(NULL), ERROR_INTERNAL);
}

static void print_nothing(void *data _unused_, virErrorPtr error _unused_)
{
}

Test(libvirt_error, takes_the_message_and_forgets_it)
{
        virSetErrorFunc(NULL, print_nothing);
        cr_assert_null(virConnectOpen("nonsense:///nowhere"));
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(libvirt_error_set(&error), -1);
        cr_assert_str_neq(error->message, "libvirt gave no reason");
        cr_assert_eq(virGetLastErrorCode(), VIR_ERR_OK);
        _cleanup_error_ struct error *none = NULL;
        libvirt_error_set(&none);
        cr_assert_str_eq(none->message, "libvirt gave no reason");
}
