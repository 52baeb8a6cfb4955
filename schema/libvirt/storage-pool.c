/* Implements schema/libvirt/storage-pool.h. */
#include "schema/libvirt/storage-pool.h"

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/xml-document.h"

char *storage_pool_folder(const char *text, size_t length, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "pool", err);
        if (!document)
                return NULL;
        const xmlNode *pool = xmlDocGetRootElement(document);
        _cleanup_free_ char *type = xml_attribute(pool, "type");
        _cleanup_free_ char *path = xml_text(xml_child(xml_child(pool, "target"), "path"));
        bool has_files = streq(type, "dir") || streq(type, "fs") || streq(type, "netfs");
        if (has_files && path && path[0] == '/')
                return TAKE_PTR(path);
        error_set(err, ERROR_REFUSED,
                  "the storage pool is of the type %s: only pools that are folders (dir, fs, "
                  "netfs) can be used",
                  type ? type : "(none)");
        return NULL;
}
