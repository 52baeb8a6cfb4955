/* Implements schema/libvirt/xml-document.h. The parser's hook for a document type refuses it,
 * before any entity that it declares could be expanded. */
#include "schema/libvirt/xml-document.h"

#include <assert.h>
#include <ctype.h>
#include <libxml/parser.h>
#include <libxml/xmlsave.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static void refuse_document_type(void *context, const xmlChar *name _unused_,
                                 const xmlChar *public_id _unused_,
                                 const xmlChar *system_id _unused_)
{
        xmlParserCtxt *parser = context;
        *(bool *)parser->_private = true;
        xmlStopParser(parser);
}

static int set_parse_error(xmlParserCtxt *parser, bool has_document_type, const char *root,
                           struct error **err)
{
        if (has_document_type)
                return error_set(err, ERROR_CORRUPT,
                                 "XML of a <%s>: has a document type declaration, which libvirt "
                                 "never writes",
                                 root);
        const xmlError *problem = xmlCtxtGetLastError(parser);
        _cleanup_free_ char *why =
                str_one_line(problem && problem->message ? problem->message : "not XML", 200);
        size_t length = strlen(why);
        while (length && why[length - 1] == ' ')
                why[--length] = '\0';
        return error_set(err, ERROR_CORRUPT, "XML of a <%s>, line %d: %s", root,
                         problem ? problem->line : 0, why);
}

static xmlDoc *xml_parse_text(const char *text, size_t length, const char *root, struct error **err)
{
        xmlParserCtxt *parser = xmlNewParserCtxt();
        if (!parser) {
                error_set(err, ERROR_INTERNAL, "cannot make an XML parser");
                return NULL;
        }
        bool has_document_type = false;
        parser->_private = &has_document_type;
        parser->sax->internalSubset = refuse_document_type;
        _cleanup_xml_ xmlDoc *document =
                xmlCtxtReadMemory(parser, text, (int)length, NULL, "UTF-8",
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        if (!document || has_document_type) {
                set_parse_error(parser, has_document_type, root, err);
                xml_document_freep(&document);
        }
        xmlFreeParserCtxt(parser);
        return TAKE_PTR(document);
}

xmlDoc *xml_document_parse(const char *text, size_t length, const char *root, struct error **err)
{
        if (length > XML_DOCUMENT_MAX_BYTES) {
                error_set(err, ERROR_CORRUPT, "XML of a <%s>: %zu bytes, more than %zu", root,
                          length, XML_DOCUMENT_MAX_BYTES);
                return NULL;
        }
        _cleanup_xml_ xmlDoc *document = xml_parse_text(text ? text : "", length, root, err);
        if (!document)
                return NULL;
        const xmlNode *found = xmlDocGetRootElement(document);
        if (!found || !streq((const char *)found->name, root)) {
                _cleanup_free_ char *name =
                        str_one_line(found ? (const char *)found->name : "", 60);
                error_set(err, ERROR_CORRUPT, "expected the XML of a <%s>, found a <%s>", root,
                          name);
                return NULL;
        }
        return TAKE_PTR(document);
}

static xmlNode *first_named(xmlNode *node, const char *name)
{
        for (; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE && !node->ns &&
                    streq((const char *)node->name, name))
                        return node;
        return NULL;
}

xmlNode *xml_child(const xmlNode *node, const char *name)
{
        return node ? first_named(node->children, name) : NULL;
}

xmlNode *xml_next(const xmlNode *node, const char *name)
{
        return node ? first_named(node->next, name) : NULL;
}

char *xml_attribute(const xmlNode *node, const char *name)
{
        xmlChar *value = node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
        char *copy = value && value[0] ? xstrdup((const char *)value) : NULL;
        xmlFree(value);
        return copy;
}

char *xml_text(const xmlNode *node)
{
        xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
        if (!content)
                return NULL;
        const char *start = (const char *)content;
        while (isspace((unsigned char)*start))
                start++;
        size_t length = strlen(start);
        while (length && isspace((unsigned char)start[length - 1]))
                length--;
        char *copy = length ? xstrndup(start, length) : NULL;
        xmlFree(content);
        return copy;
}

void xml_set_attribute(xmlNode *node, const char *name, const char *value)
{
        assert(xmlCheckUTF8((const xmlChar *)value));
        xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

void xml_drop_attribute(xmlNode *node, const char *name)
{
        xmlUnsetProp(node, (const xmlChar *)name);
}

void xml_set_text(xmlNode *node, const char *text)
{
        assert(xmlCheckUTF8((const xmlChar *)text));
        xmlNodeSetContent(node, NULL);
        xmlNodeAddContent(node, (const xmlChar *)text);
}

xmlNode *xml_add_child(xmlNode *node, const char *name)
{
        return xmlNewTextChild(node, NULL, (const xmlChar *)name, NULL);
}

void xml_drop(xmlNode *node)
{
        if (!node)
                return;
        xmlNode *before = node->prev;
        if (before && before->type == XML_TEXT_NODE && xmlIsBlankNode(before)) {
                xmlUnlinkNode(before);
                xmlFreeNode(before);
        }
        xmlUnlinkNode(node);
        xmlFreeNode(node);
}

void xml_drop_children(xmlNode *node, const char *name)
{
        for (xmlNode *child = xml_child(node, name); child; child = xml_child(node, name))
                xml_drop(child);
}

char *xml_write(xmlDoc *document, xmlNode *node)
{
        xmlBuffer *buffer = xmlBufferCreate();
        int written = buffer ? xmlNodeDump(buffer, document, node, 0, 0) : -1;
        assert(written >= 0);
        char *text =
                xstrndup((const char *)xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
        xmlBufferFree(buffer);
        return text;
}
