/* A real share for tests: an ext4 of its own on a loop device at SHARE, in a private mount
 * namespace, so that nothing is left whatever happens. Needs root; without it the test is skipped
 * and says so. */
#pragma once

#include <stdint.h>

#include "repository/points.h"
#include "repository/staging.h"

#define SHARE "/mnt/backup"

/* Mounts it empty with that many MiB. */
void share_mount(unsigned size_mib);
/* Mounts it, makes it a repository, and opens it. */
struct repository *share_repository(unsigned size_mib);
void share_unmount(void);

/* Lets all writers of the share hang. A guard thaws it should this process end before
 * share_thaw(). */
void share_freeze(void);
void share_thaw(void);

/* From now on this process gets errnum for each such system call whose argument of that number
 * (from 0) is `value`: a share that refuses. */
void share_refuse(int call, unsigned argument, unsigned value, int errnum);

/* A whole metadata for a VM "vm-1" of hypervisor "host-1". The caller frees. */
struct metadata *sample_metadata(const char *point);

/* A published point with one real qcow2 ("vm-1-vda.qcow2", 1 MiB), XML, metadata and log; `started`
 * gives its name, which is returned; the caller frees. */
char *publish_sample(struct repository *repository, int64_t started);
/* The same with this metadata, whose point and disk's backing file are followed and whose hash is
 * filled in. */
void publish_metadata(struct repository *repository, struct metadata *metadata);
/* The staging folder of such a point with all in it, hashed, but without checksums. */
struct staging *stage_sample(struct repository *repository, const char *job, const char *point);

/* Runs a command of the shell; its exit status. */
int shell(const char *format, ...) _printf_(1, 2);
