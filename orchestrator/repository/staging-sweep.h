/* Whole staging folders that an interrupted job left, and subfolders that a hypervisor wrote into
 * one (a TPM's state). */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "repository/repository.h"
#include "repository/staging.h"

/* Removes every `.staging-*` and `.removing-*` of that VM; *ret_removed counts them. The caller
 * makes sure that no job of that VM runs: it holds the repository's lock, and the daemon runs one
 * job for each VM. A VM without a folder has none to remove. */
int staging_sweep(struct repository *repository, const char *hypervisor, const char *vm,
                  size_t *ret_removed, struct error **err) _must_check_;

/* The job ids of every `.staging-*` of that VM. These are interrupted jobs when no job of the VM
 * runs. NULL-terminated, the caller frees. */
int staging_list(struct repository *repository, const char *hypervisor, const char *vm,
                 char ***ret_jobs, struct error **err) _must_check_;

/* staging_hash_file() for every file in a subfolder of the staging folder, recursively. */
int staging_hash_folder(struct staging *staging, const char *folder,
                        struct error **err) _must_check_;
