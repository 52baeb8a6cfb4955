/* metadata/restores/: the journals of restores (schema/records/restore-journal.h), each with a lock
 * that is held as long as its restore's process lives, so that a crashed restore can be
 * distinguished from a running one; and the definitions of the VMs that were replaced. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "repository/repository.h"
#include "schema/records/restore-journal.h"

/* Takes the lock of one journal: 1 taken (*ret_fd holds it until the caller closes it), 0 its
 * restore is still running, -1 error. */
int restores_lock(struct repository *repository, const char *job, int *ret_fd,
                  struct error **err) _must_check_;

/* Writes the journal durably. */
int restores_write(struct repository *repository, const struct restore_journal *journal,
                   struct error **err) _must_check_;
/* Writes the definition of the VM being replaced, which may hold secrets, as
 * `journal->original_file`. */
int restores_write_original(struct repository *repository, const struct restore_journal *journal,
                            const char *xml, struct error **err) _must_check_;
/* Reads it back; the caller frees. */
char *restores_read_original(struct repository *repository, const struct restore_journal *journal,
                             struct error **err) _must_check_;
/* Removes the journal and the files that belong to it; missing files are no error. */
int restores_remove(struct repository *repository, const struct restore_journal *journal,
                    struct error **err) _must_check_;

/* Removes what a restore left that was killed while it began, ended or wrote its journal: a lock or
 * a definition without a journal, a file that was being written. `now`: epoch seconds; what was
 * touched within a day of it is left alone, as it may be in use. */
int restores_sweep(struct repository *repository, int64_t now, struct error **err) _must_check_;

struct restore_journals {
        struct restore_journal **items; /* by job */
        size_t count;
        char **unreadable; /* a sentence each */
};
/* Reads all journals, or those of one VM (`vm` not NULL). restore_journals_done() frees. */
int restores_scan(struct repository *repository, const char *vm, struct restore_journals *ret,
                  struct error **err) _must_check_;
void restore_journals_done(struct restore_journals *list);
#define _cleanup_restore_journals_ _cleanup_(restore_journals_done)
