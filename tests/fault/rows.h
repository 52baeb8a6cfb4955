/* The table of faults: which there are, on which calls each can fall, and what came of its runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "campaign.h"
#include "world.h"

/* When everything has to be right again. */
enum aftermath {
        BY_ITSELF, /* when the worker ended */
        /* when the next worker of this VM ended: a recovery, or just its next backup */
        BY_THE_NEXT,
};

/* On which calls a fault can fall. */
enum scope {
        ANY,
        HYPERVISOR, /* those to the hypervisor */
        SHARE,      /* those that change the share */
        CHANGING,   /* what only asks has no effect that could be lost */
        FREEZE,
};

struct row {
        const char *name;
        struct fault fault;
        enum scope scope;
        enum aftermath aftermath;
        struct fault then;   /* strikes a few calls later: while the first is undone */
        bool next_is_killed; /* the next worker of the VM is killed, too */
};

enum { ROWS = 32 };
extern const struct row rows[];
extern const size_t n_rows;

/* How the runs of one row ended. */
struct tally {
        unsigned runs, ok, failed, cancelled, killed, broken;
};

/* A run without any fault. */
struct reference {
        unsigned calls;
        unsigned freeze_call;
        bool changing[WORLD_CALLS];
        bool on_share[WORLD_CALLS];
};

/* Takes down the run that has just ended. */
void reference_take(struct reference *ret);
/* Whether the fault can fall on that call. */
bool row_applies(const struct row *row, const struct reference *reference, unsigned at);
/* Whether it was asked for on the command line: `only` a name or NULL, `only_at` a call or 0. */
bool row_is_asked_for(const struct row *row, const char *only, unsigned at, unsigned only_at);

void tally_add(struct tally *tally, const struct verdict *verdict);
/* Counts and prints what was noted in this run, of the first ones with all that happened. */
void tally_judge(struct tally *tally, const char *campaign, const struct row *row, unsigned at,
                 const struct verdict *verdict);
/* As many as there are rows. The exit status of the program. */
int tallies_print(const struct tally *tallies);
