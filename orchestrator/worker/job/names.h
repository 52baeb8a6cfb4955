/* The names that orch uses on a hypervisor while a job runs. Each contains the short repository
 * UUID and the job id, so that a recovery recognises its own and never touches another orch's.
 * Pure. */
#pragma once

#include <stdbool.h>

/* The part of the repository's UUID that our names contain. The caller frees. */
char *names_short_uuid(const char *repository_uuid);

/* "orch-1a2b3c4d-20261120-3f9a". The caller frees. */
char *names_tag(const char *short_uuid, const char *job);

/* The overlay of a disk: "<base>.<tag>" beside a base file (in `scratch` if that name would be too
 * long for a file system), and "<scratch>/<vm>-<target>.<tag>" for a block device. The caller
 * frees. */
char *names_overlay(const char *base, bool base_is_block, const char *scratch, const char *vm,
                    const char *target, const char *tag);

/* Whether `path` is an overlay that an orch of this repository made; *ret_job (may be NULL) is its
 * job id, the caller frees. */
bool names_is_our_overlay(const char *path, const char *short_uuid, char **ret_job);
/* Whether the name is that of an overlay of any orch. */
bool names_is_an_overlay(const char *path);

/* Whether `job` has the form of a job id, "20261120-3f9a". */
bool names_is_job(const char *job);

/* The unit that works on an overlay while its VM is shut off: its tag and "-commit". The caller
 * frees. */
char *names_overlay_unit(const char *overlay);

/* Whether a checkpoint was made by a job of an orch of this repository. A checkpoint's name is the
 * tag of its job. */
bool names_is_our_checkpoint(const char *checkpoint, const char *short_uuid);
