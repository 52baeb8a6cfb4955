/* Reads libvirt's XML of a storage pool. The same rules as for schema/libvirt/domain-xml.h. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The folder in which the volumes of a pool are files. ERROR_REFUSED for a pool whose volumes are
 * not files, or that has no absolute path. The caller frees. */
char *storage_pool_folder(const char *text, size_t length, struct error **err) _must_check_;
