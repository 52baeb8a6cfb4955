/* One test-restore: what its parts share (test-restore.c has their order). */
#pragma once

#include "policies/boot-verdict.h"
#include "repository/fingerprint.h"
#include "repository/leases.h"
#include "repository/points.h"
#include "schema/records/test-restore-options.h"
#include "worker/vm/vm-job.h"

/* A layer of a disk's chain, top first: a point's own file, then those of the parents that it
 * builds on. */
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
        /* the folder of the VM's points as the domain sees it: a read-only view, or the share
         * itself */
        char *base;
        char *xml; /* as saved in the point */
        bool view_is_read_only;
        bool has_channel; /* for a guest agent */

        int64_t started_ms; /* monotonic */
        struct boot_sight sight;
        char *ended;           /* how; NULL: it runs */
        struct strbuf console; /* the newest part of what it said */
        uint64_t console_offset;
        int64_t pattern_ms; /* when these were first seen, since the start; -1: not */
        int64_t agent_ms;
        int64_t up_ms;
        bool booted;
        bool ended_early; /* it did not boot: there is nothing to run tests in */
        bool tests_passed;
        bool has_verdict;
        bool kept;    /* the machine stays, and with it the lease */
        char *reason; /* of the verdict */
        char **evidence;
};

/* Frees what the test-restore owns; `test` itself is the caller's. */
void test_restore_done(struct test_restore *test);

/* The steps, in order. */
/* Opens the share, chooses the point, and sees that nobody removes it meanwhile. */
int test_restore_choose(struct test_restore *test, struct error **err) _must_check_;
/* Reads the point with its parents: whole? And how it stands. */
int test_restore_read_point(struct test_restore *test, struct error **err) _must_check_;
/* Whether what has been read still stands as it did: a check, and an error when not. */
int test_restore_compare_point(struct test_restore *test, struct error **err) _must_check_;

/* Connects to the hypervisor and looks whether there is room. */
int test_restore_find_host(struct test_restore *test, struct error **err) _must_check_;
bool test_restore_wants_network(const struct test_restore *test);
/* One that is made for it. */
bool test_restore_wants_own_network(const struct test_restore *test);
/* Makes disks and firmware state on the hypervisor. From here on there is something to be
 * removed. */
int test_restore_prepare(struct test_restore *test, struct error **err) _must_check_;
/* Where a disk of the machine lies on the hypervisor; the caller frees. */
char *test_restore_disk_path(const struct test_restore *test, const struct test_disk *disk);
int test_restore_start(struct test_restore *test, struct error **err) _must_check_;

/* Until there is a verdict. -1 only when none could be had. */
int test_restore_watch(struct test_restore *test, struct error **err) _must_check_;
int test_restore_run_tests(struct test_restore *test, struct error **err) _must_check_;

/* Saves screen and console into the point, as far as they are to be had. */
void test_restore_save_evidence(struct test_restore *test);
/* Writes the verdict into state.json and tells it. */
int test_restore_record(struct test_restore *test, struct error **err) _must_check_;

/* Adds to the evidence, and reports it as a check. */
void test_restore_saw(struct test_restore *test, enum check_name check, enum check_verdict verdict,
                      const char *format, ...) _printf_(4, 5);
