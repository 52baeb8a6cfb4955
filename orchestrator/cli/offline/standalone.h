/* A job without a daemon: a verb that was given --standalone plays the daemon's part for one worker
 * after the other. It needs orch.yaml and the share, no catalog; an inventory that is not there
 * counts as an empty one. The repository is not locked unless a verb does so: a reader has to get
 * on with a daemon that runs meanwhile. */
#pragma once

#include "cli/cli.h"
#include "cli/client/client.h"
#include "repository/repository.h"
#include "schema/records/messages.h"

struct standalone;

/* Reads the files and opens the share. NULL when orch.yaml is not valid (its problems were printed,
 * *err stays untouched), or with an error. The caller frees. */
struct standalone *standalone_new(const struct cli *cli, struct error **err) _must_check_;
struct standalone *standalone_free(struct standalone *standalone);
DEFINE_FREEP(struct standalone, standalone_free)

/* Takes the repository's lock for the rest of this process's life. ERROR_REFUSED, naming the
 * holder, while another orch has it. */
int standalone_lock(struct repository *repository, struct error **err) _must_check_;

/* Owned by the object. */
struct repository *standalone_repository(const struct standalone *standalone);
const struct settings *standalone_settings(const struct standalone *standalone);
const struct inventory *standalone_inventory(const struct standalone *standalone);
/* A request of that action for that VM, with an id of its own; options and the like are the
 * caller's to add. The caller frees. */
struct job_request *standalone_request(const struct standalone *standalone, enum job_action action,
                                       const char *vm);

/* Runs it in a worker, with the daemon's watch over it: one that tells nothing for longer than
 * limits.copy_stall_seconds is ended. Each of its events is handed to stream->on_line as the daemon
 * streams it. SIGINT and SIGTERM cancel it: it undoes what it did, and ends. Returns the exit
 * status of what came of it, or fails with an error. */
int standalone_run(struct standalone *standalone, const struct job_request *request,
                   const struct client_stream *stream, struct error **err) _must_check_;
