/* From the inventory's entry of a hypervisor and the settings to a connection; and to the share, as
 * the daemon knew it. */
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

/* The share as that hypervisor sees it. */
const char *worker_host_repository(const struct settings *settings,
                                   const struct inventory_hypervisor *entry);

/* repository_open() of the settings' share, which has to be the one that the job is about. The
 * caller frees. */
struct repository *worker_open_repository(const struct settings *settings,
                                          const struct job_request *request,
                                          struct error **err) _must_check_;
/* ERROR_REFUSED when it is another one than the job is about. */
int worker_check_repository(const struct repository *repository, const struct settings *settings,
                            const struct job_request *request, struct error **err) _must_check_;

/* An entry for a hypervisor's name: the inventory's, else `fallback` filled in (its texts borrow
 * `name`). */
const struct inventory_hypervisor *worker_host_entry(const struct inventory *inventory,
                                                     const char *name,
                                                     struct inventory_hypervisor *fallback);

/* A connection that works, for undoing, and after what has taken long: asks for the domain of that
 * UUID and reconnects when that fails, for two minutes. `by`, where it is not NULL, is filled in by
 * the first call that has to wait (at_ms 0: none has) and bounds all later ones with it: so a
 * hypervisor that is gone for good does not hold up a job for each thing that it undoes. */
int worker_ensure_connection(struct hypervisor *host, const char *uuid, struct deadline *by,
                             struct error **err) _must_check_;
