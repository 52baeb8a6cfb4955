/* A hypervisor for tests of single functions: answers every command and every question with what it
 * was given. It asks once whether a command is given up. All other calls are missing, so that a
 * function that makes one crashes the test. */
#pragma once

#include "transports/hypervisor.h"

/* What a command answers, by its name: of a script the one that it was given ("orch-probe"), of
 * qemu-img two words ("qemu-img info"), else its first word. */
struct scripted_answer {
        const char *command; /* NULL: the end of the list */
        const char *output;
        int status;
};

struct scripted_host {
        struct hypervisor base;
        const char *xml;       /* what get_xml() gives */
        const char *output;    /* what a command prints */
        int status;            /* its exit status */
        enum error_kind fails; /* of exec(), when `broken` */
        bool broken;
        const struct scripted_answer *answers; /* of certain commands; NULL: none */
        char **argv;                           /* of the last command */
        char **ran;                            /* the names of all of them */
        enum domain_state state;               /* of every domain */
        unsigned resumed, started;             /* by calls, which change its state */

        const char *const *snapshots; /* NULL-terminated; NULL: none, as the next two */
        const char *const *checkpoints;
        const char *const *networks; /* that are there */
        bool networks_are_inactive;
        const char *checkpoint_xml; /* NULL: it cannot be had */
        const char *pool_xml;       /* of every storage pool; NULL: there is none */
        enum agent_state agent;
        bool agent_refuses; /* to tell how a freeze stands */
        struct block_job block_job;
        uint64_t capacity_bytes; /* of every disk */
        uint64_t allocation_bytes;
};

void scripted_host_init(struct scripted_host *host);
void scripted_host_done(struct scripted_host *host);
/* Its exec(), for a test that has to look at the command first. */
int scripted_host_exec(struct hypervisor *hypervisor, const char *const argv[],
                       const struct exec_options *options, struct exec_result *ret,
                       struct error **err) _must_check_;
