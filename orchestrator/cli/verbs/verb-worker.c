/* `orch worker`: one job, told on stdin. For the daemon's use only. */
#include "cli/verbs/verbs.h"
#include "worker/worker.h"

const struct verb_manual manual_worker = {
        .arguments = "",
        .text = "Does one job, which is told on stdin. For the daemon's use only.",
        .example = "orch worker < request.json",
};

int verb_worker(_unused_ const struct cli *cli, _unused_ struct error **err)
{
        return worker_main();
}
