/* `orch worker`: runs one job, which is read from stdin. Only the daemon, and verbs with
 * --standalone, start it. */
#include "cli/verbs/verbs.h"
#include "worker/worker.h"

const struct verb_manual manual_worker = {
        .arguments = "",
        .text = "Runs one job, which is read from stdin. Only the daemon starts it.",
        .example = "orch worker < request.json",
};

int verb_worker(_unused_ const struct cli *cli, _unused_ struct error **err)
{
        return worker_main();
}
