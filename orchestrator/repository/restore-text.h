/* RESTORE.txt: how to restore a VM by hand, with the point's real names, for an operator without
 * orch (P7). */
#pragma once

#include "schema/records/metadata.h"

/* Makes the text; every command in it can be pasted. `repository` is the path of the share on the
 * hypervisor. The caller frees. */
char *restore_text_make(const struct metadata *metadata, const char *repository);
