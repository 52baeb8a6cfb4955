/* RESTORE.txt: how to bring a VM back by hand, with the point's real names, for somebody who has no
 * orch (P7). */
#pragma once

#include "schema/records/metadata.h"

/* The text; every command in it can be pasted. `repository` is the share's path as the hypervisor
 * sees it. The caller frees. */
char *restore_text_make(const struct metadata *metadata, const char *repository);
