/* What a test-restore has on a hypervisor while it runs, all of it under one name,
 * "orch-test-<short UUID>-<job>": a transient domain, a folder of that name in the scratch folder
 * (overlays or copies, firmware state, a read-only view of the VM's points), possibly a libvirt
 * network, libvirt's logs. The removal checks what exists and may be repeated.
 *
 * In the folder, the file `test` names the VM, the job and the domain's UUID; the file `kept` means
 * that a user wants the test domain to stay. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "transports/hypervisor.h"

/* The caller frees. */
char *test_traces_name(const char *short_uuid, const char *job);
/* Whether it is a name of this form that belongs to this repository (its UUID, or the first 8
 * digits of it); *ret_job (may be NULL) is the caller's. */
bool test_traces_is_ours(const char *name, const char *short_uuid, char **ret_job);
/* The file that its console is written to. */
char *test_traces_console(const char *name);

/* One test-restore as it was found. */
struct test_trace {
        char *name;
        char *job;
        /* NULL: only a domain or a network exists, or a folder that was never finished */
        char *vm;
        bool kept;
};
struct test_trace_list {
        struct test_trace *items;
        size_t count;
};
/* Finds all test-restores of this repository on that host. test_traces_done() frees. */
int test_traces_find(struct hypervisor *host, const char *short_uuid, const char *scratch,
                     struct test_trace_list *ret, struct error **err) _must_check_;
void test_traces_done(struct test_trace_list *list);

/* Ends the domain and removes everything with that name. An error says what remains. */
int test_traces_remove(struct hypervisor *host, const char *name, const char *scratch,
                       struct error **err) _must_check_;
/* Marks it as one that stays, which a recovery respects. The mark is durable on return. */
int test_traces_keep(struct hypervisor *host, const char *name, const char *scratch,
                     struct error **err) _must_check_;
