/* What a test-restore is asked for beside its VM: the `options` of its job request. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Words of `network` that are no network's name. */
#define TEST_NETWORK_NONE "none"
#define TEST_NETWORK_ISOLATED "isolated"

struct test_restore_options {
        char *point; /* a name, a unique prefix, or "latest" (also NULL): the newest good one */
        /* "none" (also NULL); "isolated": one that is made for it and leads nowhere; else a libvirt
         * network there is */
        char *network;
        bool keep;   /* leave it running */
        bool full;   /* copy the disks first */
        bool remove; /* nothing is tried: test domains of the VM that were kept are removed */
};

/* Reads the object; NULL is one without fields. ERROR_CORRUPT for what is none of a test-restore.
 * test_restore_options_done() frees. */
int test_restore_options_read(json_t *json, struct test_restore_options *ret,
                              struct error **err) _must_check_;
/* A new reference. */
json_t *test_restore_options_write(const struct test_restore_options *options);
void test_restore_options_done(struct test_restore_options *options);
#define _cleanup_test_restore_options_ _cleanup_(test_restore_options_done)

/* Whether libvirt could have a network of that name: at most 120 printable bytes, no '/' and not
 * only dots. */
bool test_network_is_sane(const char *name);
