/* A YAML text as a tree of nodes that know their place in the file.
 *
 * A strict subset: one document, UTF-8, no tags, keys are plain words and stand once, and what
 * anchors and merge keys (`<<`) can make of a small file is capped. Aliases share nodes: the tree
 * is a graph without cycles. Which plain scalars are numbers and truth values follows YAML 1.2's
 * core schema: `on`, `yes` and `12:30` are texts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "schema/yaml/problems.h"

enum {
        YAML_MAX_BYTES = 4 * 1024 * 1024, /* of a file */
        YAML_MAX_DEPTH = 32,
        YAML_MAX_NODES = 200000, /* counted as if each alias were written out */
        YAML_MAX_KEYS = 1000,    /* of one mapping */
        YAML_MAX_ANCHORS = 1000,
};

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct yaml_pair {
        const struct yaml_node *key; /* always a scalar */
        const struct yaml_node *value;
};

struct yaml_node {
        enum node_kind kind;
        unsigned line; /* both from 1; columns count characters */
        unsigned column;
        char *text; /* of a scalar */
        /* a scalar in quotes or a block: a text whatever it looks like */
        bool quoted;
        struct yaml_pair *pairs;        /* of a mapping, merge keys resolved; its own keys first */
        const struct yaml_node **items; /* of a sequence */
        size_t count;                   /* of pairs or items */
        size_t weight;                  /* nodes in and below it, aliases counted at each use */
};

enum scalar_kind { SCALAR_NULL, SCALAR_BOOL, SCALAR_NUMBER, SCALAR_TEXT };

struct yaml_document;

/* Parses a text; `file` is named in problems. A document with problems may come back all the same,
 * so that its other mistakes can be found too; NULL when there is nothing to go on with (then there
 * is a problem). The caller frees. */
struct yaml_document *yaml_document_parse(const char *text, size_t length, const char *file,
                                          struct problems *problems) _must_check_;
struct yaml_document *yaml_document_free(struct yaml_document *document);
DEFINE_FREEP(struct yaml_document, yaml_document_free)

/* The top node; the document keeps ownership. */
const struct yaml_node *yaml_document_root(const struct yaml_document *document);

/* What a scalar reads as. */
enum scalar_kind yaml_scalar_kind(const struct yaml_node *scalar);
/* The value of that key, or NULL when the mapping has none. NULL for a node that is not a mapping,
 * or NULL. */
const struct yaml_node *yaml_mapping_get(const struct yaml_node *mapping, const char *key);
/* Describes the node, for "…, found %s": `"high"`, `the number 5`, `a list`, `nothing`. The caller
 * frees. */
char *yaml_node_describe(const struct yaml_node *node);

/* Reads a file for parsing: at most YAML_MAX_BYTES, a regular file. NULL and a problem when that
 * fails. The caller frees. */
char *yaml_read_file(const char *path, size_t *ret_length, struct problems *problems) _must_check_;
