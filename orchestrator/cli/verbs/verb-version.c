/* `orch version`: prints the version. */
#include "cli/terminal/output.h"
#include "cli/verbs/verbs.h"

const struct verb_manual manual_version = {
        .arguments = "",
        .text = "Prints the version.",
        .example = "orch version",
};

int verb_version(const struct cli *cli, _unused_ struct error **err)
{
        if (!cli->json)
                return cli_printed(output_line("orch " ORCH_VERSION));
        json_t *json = json_pack("{s:s}", "version", ORCH_VERSION);
        bool written = output_json(json);
        json_decref(json);
        return cli_printed(written);
}
