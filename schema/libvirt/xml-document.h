/* XML text as a tree, and the queries on it that libvirt's formats need. Only for the parsers of
 * this folder.
 *
 * The input is not trusted: no network access, no document type and hence no entities, a limit on
 * the size, nothing printed. Elements are found by local name without a namespace, as libvirt's own
 * have none. */
#pragma once

#include <libxml/tree.h>
#include <stddef.h>

#include "base/error.h"

#define XML_DOCUMENT_MAX_BYTES ((size_t)4 << 20)

/* Parses UTF-8 XML whose root element is `root`. ERROR_CORRUPT with the line of the error. The
 * caller frees with xmlFreeDoc(). */
xmlDoc *xml_document_parse(const char *text, size_t length, const char *root,
                           struct error **err) _must_check_;

/* The first child element of that name, the next sibling of that name; NULL if there is none, also
 * for a NULL node. */
xmlNode *xml_child(const xmlNode *node, const char *name);
xmlNode *xml_next(const xmlNode *node, const char *name);
/* An attribute's value; NULL if it is missing or empty, also for a NULL node. The caller frees with
 * free(). */
char *xml_attribute(const xmlNode *node, const char *name);
/* The text in an element without the white space around it; NULL if it is empty, also for a NULL
 * node. The caller frees. */
char *xml_text(const xmlNode *node);

/* Functions that change a tree. Text is inserted literally, so that a path with quotes, '<' or '&'
 * stays the same. It must be UTF-8 (asserted); it comes from XML or YAML, which are UTF-8. */
void xml_set_attribute(xmlNode *node, const char *name, const char *value);
void xml_drop_attribute(xmlNode *node, const char *name);
void xml_set_text(xmlNode *node, const char *text);
/* Appends a new element to `node` and returns it. */
xmlNode *xml_add_child(xmlNode *node, const char *name);
/* Removes the element with its content, and the white space in front of it; NULL is ignored. */
void xml_drop(xmlNode *node);
void xml_drop_children(xmlNode *node, const char *name);
/* The element as text, without an XML declaration. The caller frees. */
char *xml_write(xmlDoc *document, xmlNode *node);

static inline _unused_ void xml_document_freep(xmlDoc **document)
{
        if (*document)
                xmlFreeDoc(*document);
        *document = NULL;
}
#define _cleanup_xml_ _cleanup_(xml_document_freep)
