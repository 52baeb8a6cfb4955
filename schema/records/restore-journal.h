/* metadata/restores/<job>.json: how far a restore is and what it made, written before each phase,
 * so that whoever finds it after a crash can undo the restore or see that it is complete. That of
 * one which replaced a VM stays until what it set aside is removed.
 * schema/restore-journal.schema.json describes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum restore_phase {
        RESTORE_COPYING,  /* temporary files may be there */
        RESTORE_STOPPING, /* and the original may have been shut off */
        RESTORE_MOVING,   /* and its files set aside, and the temporary ones renamed */
        RESTORE_DEFINING, /* and its definition taken away, and the new one made */
        RESTORE_STARTING, /* and it was started: complete once it runs */
        RESTORE_PULLING,  /* it runs; of an instant one: its disks are still backed by the point */
        RESTORE_DONE,     /* complete: nothing is undone any more */
};

/* A file, or folder, that the restore makes. */
struct restore_item {
        char *temporary;
        char *path;
        uint64_t inode; /* of the temporary one, from RESTORE_MOVING on: what has it is ours */
};

/* A file or folder of the original that is renamed out of the way. */
struct restore_aside {
        char *path;
        char *aside;
};

struct restore_journal {
        char *job;
        char *tag; /* in the names of all that it makes on hypervisors */
        char *vm;
        char *point;      /* its path, relative to the repository */
        char *hypervisor; /* where it is restored to */
        char *uuid;       /* of the domain made */
        char *name;
        enum restore_phase phase;
        bool instant;
        struct restore_item *items;
        size_t n_items;
        /* The original, when it is replaced; else NULL and nothing. */
        char *original_hypervisor;
        char *original_uuid;
        char *original_file; /* its definition: a file beside the journal */
        bool original_ran;
        bool original_autostart;
        struct restore_aside *asides;
        size_t n_asides;
        int64_t keep_until; /* what is set aside; 0: not done yet */
};

struct restore_journal *restore_journal_free(struct restore_journal *journal);
DEFINE_FREEP(struct restore_journal, restore_journal_free)
/* The JSON text, ends with a newline; the caller frees. */
char *restore_journal_format(const struct restore_journal *journal);
/* ERROR_CORRUPT, or ERROR_REFUSED for one of a newer format. The caller frees. */
struct restore_journal *restore_journal_parse(const char *text, size_t length,
                                              struct error **err) _must_check_;

void restore_journal_add_item(struct restore_journal *journal, const char *temporary,
                              const char *path);
void restore_journal_add_aside(struct restore_journal *journal, const char *path,
                               const char *aside);
