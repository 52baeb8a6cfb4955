/* `orch verify`: reads points back, in one job of the daemon for each VM, or with --standalone in
 * workers of this process, one at a time. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/offline/standalone.h"
#include "cli/verbs/verbs.h"
#include "repository/points.h"
#include "schema/json/json-fields.h"
#include "schema/records/verify-options.h"

static const struct option_spec options[] = {
        { .name = "all", .help = "all points of all VMs, including VMs that left the inventory" },
        { .name = "since",
          .value = "WHEN",
          .help = "only points made since then: 7d, 2026-02-01, \"2026-02-01 18:00\"" },
        { .name = "standalone", .help = "read the share itself; needs no daemon and no catalog" },
        { .name = "strict", .help = "warnings make the exit status 1" },
        { 0 },
};

const struct verb_manual manual_verify = {
        .arguments = "[VM [POINT]]",
        .max_words = 2,
        .options = options,
        .text = "Reads points back: every file against its checksum, the metadata and the XML, "
                "each image with `qemu-img check`, and an increment's whole backing chain. Without "
                "a POINT it reads all points of the VM, the oldest first. A VM may be a glob such "
                "as 'prod-*'.\n\nA damaged point is marked, and so are the points that rest on it: "
                "they are listed as damaged, `latest` skips them, and they do not count as a last "
                "good copy. To repair one, bring its files back (for example from a snapshot of "
                "the share) and verify again: a point that passes completely is marked as good. "
                "The catalog is also compared with the folders and corrected.\n\nIt runs beside "
                "backups, also of the same VM.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch verify prod-db-01 2026-02-01",
};

struct wanted {
        const char *vm;    /* or a glob; NULL: all */
        const char *point; /* or NULL */
        int64_t since;     /* 0: of any age */
};

static int read_wanted(const struct cli *cli, struct wanted *ret, struct error **err)
{
        const struct options *given = cli->options;
        const char *since = options_get(given, "since");
        bool all = options_has(given, "all");
        if (all == (given->n_words > 0))
                return error_set(err, ERROR_CONFIG,
                                 all ? "--all and a VM exclude each other"
                                     : "name a VM, or use --all");
        ret->vm = given->n_words > 0 ? given->words[0] : NULL;
        ret->point = given->n_words > 1 ? given->words[1] : NULL;
        if (ret->point && (since || name_is_glob(ret->vm)))
                return error_set(err, ERROR_CONFIG, "a POINT goes with the name of one VM%s",
                                 since ? ", without --since" : "");
        return since ? cli_moment(cli, since, WHEN_PAST, &ret->since, err) : 0;
}

static int verify_by_daemon(const struct cli *cli, const struct wanted *wanted,
                            const struct follow_options *follow, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "all", json_boolean(!wanted->vm));
        json_t *vms = json_array();
        if (wanted->vm)
                json_array_append_new(vms, json_from_text(wanted->vm));
        json_object_set_new(body, "vms", vms);
        json_object_set_new(body, "point", json_from_text(wanted->point));
        _cleanup_free_ char *since = wanted->since ? clock_format_rfc3339(wanted->since) : NULL;
        json_object_set_new(body, "since", json_from_text(since));
        return follow_jobs(cli, client, "/v1/verify", body, follow, err);
}

struct alone {
        struct standalone *standalone;
        const struct wanted *wanted;
        char **vms;
};

static int verify_each(const struct client_stream *stream, void *data, struct error **err)
{
        struct alone *alone = data;
        int status = STATUS_OK;
        for (size_t i = 0; alone->vms && alone->vms[i]; i++) {
                const struct verify_options wanted = { .point = (char *)alone->wanted->point,
                                                       .since = alone->wanted->since };
                _cleanup_(job_request_freep) struct job_request *request =
                        standalone_request(alone->standalone, JOB_VERIFY, alone->vms[i]);
                request->options = verify_options_to_json(&wanted);
                int result = standalone_run(alone->standalone, request, stream, err);
                if (result == STATUS_FROM_ERROR || result == STATUS_CANCELLED)
                        return result;
                status = result == STATUS_OK ? status : result;
        }
        return status;
}

static int verify_by_share(const struct cli *cli, const struct wanted *wanted,
                           const struct follow_options *follow, struct error **err)
{
        _cleanup_(standalone_freep) struct standalone *standalone = standalone_new(cli, err);
        if (!standalone)
                return err && *err ? STATUS_FROM_ERROR : STATUS_USAGE;
        _cleanup_strv_ char **all = NULL;
        _cleanup_strv_ char **vms = NULL;
        if (points_list_vms(standalone_repository(standalone), &all, err) < 0)
                return STATUS_FROM_ERROR;
        for (size_t i = 0; all && all[i]; i++)
                if (!wanted->vm || name_matches(wanted->vm, all[i]))
                        strv_add(&vms, all[i]);
        if (!vms && wanted->vm) {
                error_set(err, ERROR_CONFIG, "the share %s has no points of '%s'",
                          standalone_settings(standalone)->repository_path, wanted->vm);
                return STATUS_USAGE;
        }
        struct alone alone = { .standalone = standalone, .wanted = wanted, .vms = vms };
        return follow_source(cli, verify_each, &alone, follow, err);
}

int verb_verify(const struct cli *cli, struct error **err)
{
        const struct follow_options follow = { .strict = options_has(cli->options, "strict") };
        struct wanted wanted = { 0 };
        if (read_wanted(cli, &wanted, err) < 0)
                return STATUS_USAGE;
        return options_has(cli->options, "standalone")
                       ? verify_by_share(cli, &wanted, &follow, err)
                       : verify_by_daemon(cli, &wanted, &follow, err);
}
