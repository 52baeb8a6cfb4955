/* Makes connections from the inventory's entry of a hypervisor and the settings, and opens the
 * share, which has to be the one that the daemon knew. */
#pragma once

#include "base/clock.h"
#include "repository/repository.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "transports/hypervisor.h"

/* The caller frees. `timeout_ms` bounds connecting; 0: the transport's default. */
struct hypervisor *worker_connect(const struct settings *settings,
                                  const struct inventory_hypervisor *entry, int64_t timeout_ms,
                                  struct error **err) _must_check_;

/* The share's path on that hypervisor. */
const char *worker_host_repository(const struct settings *settings,
                                   const struct inventory_hypervisor *entry);

/* repository_open() of the settings' share, which has to be the repository that the job is for. The
 * caller frees. */
struct repository *worker_open_repository(const struct settings *settings,
                                          const struct job_request *request,
                                          struct error **err) _must_check_;
/* ERROR_REFUSED if it is not the repository that the job is for. */
int worker_check_repository(const struct repository *repository, const struct settings *settings,
                            const struct job_request *request, struct error **err) _must_check_;

/* An entry for a hypervisor's name: the inventory's, else `fallback`, which is filled in (its
 * strings borrow `name`). */
const struct inventory_hypervisor *worker_host_entry(const struct inventory *inventory,
                                                     const char *name,
                                                     struct inventory_hypervisor *fallback);

/* Ensures a working connection, for undoing and after long operations: queries the domain with that
 * UUID, and reconnects for up to two minutes if that fails. `by`, unless it is NULL, is set by the
 * first call that has to wait (at_ms 0: none has waited yet) and limits all later calls with it, so
 * that a hypervisor that is gone for good does not delay a job once for each thing that it
 * undoes. */
int worker_ensure_connection(struct hypervisor *host, const char *uuid, struct deadline *by,
                             struct error **err) _must_check_;
