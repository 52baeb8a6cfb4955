/* `orch daemon`: runs the daemon in the foreground. */
#include "cli/verbs/verbs.h"
#include "daemon/daemon.h"

const struct verb_manual manual_daemon = {
        .arguments = "",
        .text = "Runs the daemon in the foreground, for a container or systemd, until SIGTERM. On "
                "SIGHUP it reads the inventory again.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch daemon --config /etc/orch/orch.yaml",
};

int verb_daemon(const struct cli *cli, _unused_ struct error **err)
{
        return daemon_main(cli->config, NULL);
}
