/* One test-restore: the state that its parts share (test-restore.c defines their order). */
#pragma once

#include "policies/boot-verdict.h"
#include "repository/fingerprint.h"
#include "repository/leases.h"
#include "repository/points.h"
#include "schema/records/test-restore-options.h"
#include "worker/vm/vm-job.h"

/* The layers of a disk's chain, top first: the point's own file, then those of its parents. */
struct test_disk {
        char *target;
        char **layers; /* "<point>/<file>" */
};

struct test_restore {
        struct vm_job
                /* request, settings, inventory, vm, report, undo, repository, home, host; uuid and
                 * info.name are the test domain's */
                job;
        struct test_restore_options options;
        struct point_list points;
        const struct point *point;
        const struct point **chain; /* the point and its parents; NULL-terminated */
        struct fingerprint *before; /* of each of the chain */
        size_t n_chain;
        struct lease *lease;
        struct test_disk *disks;
        size_t n_disks;

        char *name; /* worker/host/test-traces.h */
        char *work; /* its folder on the hypervisor */
        /* the folder of the VM's points, as the domain sees it: a read-only view, or the share
         * itself */
        char *base;
        char *xml; /* as saved in the point */
        bool view_is_read_only;
        bool has_channel; /* the domain has a channel for a guest agent */

        int64_t started_ms; /* monotonic */
        struct boot_sight sight;
        char *ended;           /* how it ended; NULL: it runs */
        struct strbuf console; /* the newest part of the console's text */
        uint64_t console_offset;
        int64_t pattern_ms; /* first seen, since the start; -1: not seen */
        int64_t agent_ms;
        int64_t up_ms;
        bool booted;
        bool ended_early; /* it did not boot, so no tests can run in it */
        bool tests_passed;
        bool has_verdict;
        bool kept;    /* the domain stays, and with it the lease */
        char *reason; /* of the verdict */
        char **evidence;
};

/* Frees what the test-restore owns; `test` itself is the caller's. */
void test_restore_done(struct test_restore *test);

/* The steps, in order. */
/* Opens the share, selects the point, and takes a lease so that nobody removes it meanwhile. */
int test_restore_choose(struct test_restore *test, struct error **err) _must_check_;
/* Verifies the point with its parents, and records its fingerprint. */
int test_restore_read_point(struct test_restore *test, struct error **err) _must_check_;
/* Compares the files that were read with their recorded fingerprint: a check, and an error if they
 * have changed. */
int test_restore_compare_point(struct test_restore *test, struct error **err) _must_check_;

/* Connects to the hypervisor and checks that it has enough room. */
int test_restore_find_host(struct test_restore *test, struct error **err) _must_check_;
bool test_restore_wants_network(const struct test_restore *test);
/* Whether the domain gets a network that is made for it. */
bool test_restore_wants_own_network(const struct test_restore *test);
/* Makes disks and firmware state on the hypervisor. From here on there is something to remove. */
int test_restore_prepare(struct test_restore *test, struct error **err) _must_check_;
/* The path of a disk of the domain on the hypervisor; the caller frees. */
char *test_restore_disk_path(const struct test_restore *test, const struct test_disk *disk);
int test_restore_start(struct test_restore *test, struct error **err) _must_check_;

/* Watches the domain until there is a verdict. -1 only if there could be none. */
int test_restore_watch(struct test_restore *test, struct error **err) _must_check_;
int test_restore_run_tests(struct test_restore *test, struct error **err) _must_check_;

/* Saves screen and console into the point, if they can be obtained. */
void test_restore_save_evidence(struct test_restore *test);
/* Writes the verdict into state.json and reports it. */
int test_restore_record(struct test_restore *test, struct error **err) _must_check_;

/* Adds an observation to the evidence, and reports it as a check. */
void test_restore_saw(struct test_restore *test, enum check_name check, enum check_verdict verdict,
                      const char *format, ...) _printf_(4, 5);
