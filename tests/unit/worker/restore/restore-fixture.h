/* A restore for tests of its single steps: of a point with two disks, vda (qcow2, in /images) and
 * vdb (raw, in /data), whose machine has NVRAM and a network card. */
#pragma once

#include "scripted-host.h"
#include "worker/restore/restore-internal.h"

#define FIXTURE_UUID "0b9a7d1c-1111-4222-8333-444455556666"
#define FIXTURE_SHARE_UUID "1a2b3c4d-1111-4222-8333-444455556666"

struct restore_fixture {
        struct scripted_host host;
        struct settings settings;
        struct job_request request;
        struct inventory inventory;
        struct inventory_hypervisor entry;
        struct point point;
        struct metadata *metadata;
        struct report report;
        struct repository *repository;
        struct restore restore;
};

/* The restore of the original, which is gone; a test changes what it is about. The hypervisor has
 * the folders, and nothing in them. */
void restore_fixture_init(struct restore_fixture *fixture);
void restore_fixture_done(struct restore_fixture *fixture);
/* The restore of a machine of that name beside the original. */
void restore_fixture_beside(struct restore_fixture *fixture, const char *name);
/* The replacing of the original, which is on the same hypervisor with vda in another file. */
void restore_fixture_replace(struct restore_fixture *fixture, const char *vda_path);
