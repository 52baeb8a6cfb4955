/* Whole folders of staging: those that an interrupted job left, and those that a hypervisor wrote
 * into one (a TPM's state). */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "repository/repository.h"
#include "repository/staging.h"

/* Removes every `.staging-*` and `.removing-*` of that VM; *ret_removed counts them. The caller
 * knows that no job of that VM runs: the repository's lock is ours and the daemon runs one job a
 * VM. A VM without a folder has none. */
int staging_sweep(struct repository *repository, const char *hypervisor, const char *vm,
                  size_t *ret_removed, struct error **err) _must_check_;

/* The job ids of every `.staging-*` of that VM: interrupted jobs, where no job of it runs.
 * NULL-terminated, the caller frees. */
int staging_list(struct repository *repository, const char *hypervisor, const char *vm,
                 char ***ret_jobs, struct error **err) _must_check_;

/* staging_hash_file() for every file in a folder of the staging folder, and below it. */
int staging_hash_folder(struct staging *staging, const char *folder,
                        struct error **err) _must_check_;
