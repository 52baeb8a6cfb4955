/* What a test-restore leaves on a hypervisor while it lasts, all of it under one name,
 * "orch-test-<short UUID>-<job>": a transient domain, a folder of that name in the scratch folder
 * (overlays or copies, firmware state, a read-only view of the VM's points), perhaps a libvirt
 * network, libvirt's logs. Removing it looks at reality and may be repeated.
 *
 * In the folder, `test` tells the VM, the job and the domain's UUID; `kept` says that somebody
 * wants it to stay. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "transports/hypervisor.h"

/* The caller frees. */
char *test_traces_name(const char *short_uuid, const char *job);
/* Whether it is such a name of this repository (its UUID, or the first 8 digits of it); *ret_job
 * (may be NULL) is the caller's. */
bool test_traces_is_ours(const char *name, const char *short_uuid, char **ret_job);
/* Where its console is written to. */
char *test_traces_console(const char *name);

/* One of them as it was found. */
struct test_trace {
        char *name;
        char *job;
        /* NULL: there is nothing but a domain or a network, or a folder that was never finished */
        char *vm;
        bool kept;
};
struct test_trace_list {
        struct test_trace *items;
        size_t count;
};
/* All of this repository on that host. test_traces_done() frees. */
int test_traces_find(struct hypervisor *host, const char *short_uuid, const char *scratch,
                     struct test_trace_list *ret, struct error **err) _must_check_;
void test_traces_done(struct test_trace_list *list);

/* Ends the domain and removes all of that name. An error says what is left. */
int test_traces_remove(struct hypervisor *host, const char *name, const char *scratch,
                       struct error **err) _must_check_;
/* Makes it one that stays, also for a recovery. Durable. */
int test_traces_keep(struct hypervisor *host, const char *name, const char *scratch,
                     struct error **err) _must_check_;
