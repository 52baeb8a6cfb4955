/* From the inventory's entry of a hypervisor and the settings to a connection. */
#pragma once

#include "schema/inventory.h"
#include "schema/settings.h"
#include "transports/hypervisor.h"

/* The caller frees. `timeout_ms` bounds connecting; 0: the transport's default. */
struct hypervisor *worker_connect(const struct settings *settings, const struct inventory_hypervisor *entry, int64_t timeout_ms,
                                  struct error **err) _must_check_;

/* The share as that hypervisor sees it. */
const char *worker_host_repository(const struct settings *settings, const struct inventory_hypervisor *entry);
