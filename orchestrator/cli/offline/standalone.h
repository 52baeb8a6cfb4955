/* Runs a job without a daemon: a verb with --standalone takes the daemon's role for one worker at a
 * time.
 *
 * It needs orch.yaml and the share, but no catalog; a missing inventory counts as empty. The
 * repository is not locked unless the verb locks it, because readers have to work while a daemon
 * runs. */
#pragma once

#include "cli/cli.h"
#include "cli/client/client.h"
#include "repository/repository.h"
#include "schema/records/messages.h"

struct standalone;

/* Reads the files and opens the share. NULL with an error, or, if orch.yaml is not valid, NULL with
 * *err untouched: its problems are printed. The caller frees. */
struct standalone *standalone_new(const struct cli *cli, struct error **err) _must_check_;
struct standalone *standalone_free(struct standalone *standalone);
DEFINE_FREEP(struct standalone, standalone_free)

/* Takes the repository's lock until this process ends. ERROR_REFUSED, which names the holder, while
 * another orch has it. */
int standalone_lock(struct repository *repository, struct error **err) _must_check_;

/* Owned by the object. */
struct repository *standalone_repository(const struct standalone *standalone);
const struct settings *standalone_settings(const struct standalone *standalone);
const struct inventory *standalone_inventory(const struct standalone *standalone);
/* A request for that action on that VM, with a new job id. The caller adds options, and frees it.
 */
struct job_request *standalone_request(const struct standalone *standalone, enum job_action action,
                                       const char *vm);

/* Runs the request in a worker that is supervised as the daemon does it: a worker that reports
 * nothing for longer than limits.copy_stall_seconds is ended. Each event is passed to
 * stream->on_line as a line of the daemon's streams. SIGINT and SIGTERM cancel the job: it rolls
 * back and ends. Returns the job's exit status, or STATUS_FROM_ERROR with an error. */
int standalone_run(struct standalone *standalone, const struct job_request *request,
                   const struct client_stream *stream, struct error **err) _must_check_;
