/* Implements schema/yaml/yaml-document.h on libyaml's events.
 *
 * The builder makes nodes from events, depth first, into an arena that the document owns; so a
 * failure half-way needs no unwinding, and an alias is a second pointer to a node. Invariants: a
 * node that is reachable is complete (an alias into a node still open is refused, so there are no
 * cycles); no node's weight exceeds YAML_MAX_NODES, so walking the graph as a tree ends. */
#include "schema/yaml/yaml-document.h"

#include <string.h>
#include <yaml.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/yaml/yaml-internal.h"

struct yaml_document {
        struct yaml_node **nodes; /* the arena */
        size_t n_nodes;
        size_t capacity;
        const struct yaml_node *root;
};

struct anchor {
        char *name;
        const struct yaml_node *node; /* NULL while it is being built */
};

struct builder {
        yaml_parser_t parser;
        struct yaml_source source;
        struct yaml_document *document;
        struct anchor *anchors;
        size_t n_anchors;
};

static void problem_at(struct builder *builder, yaml_mark_t mark, const char *message)
{
        problems_add(builder->source.problems, builder->source.file, (unsigned)mark.line + 1,
                     (unsigned)mark.column + 1, "%s", message);
}

static bool next_event(struct builder *builder, yaml_event_t *ret)
{
        if (yaml_parser_parse(&builder->parser, ret))
                return true;
        yaml_report_syntax(&builder->source, &builder->parser);
        return false;
}

static struct yaml_node *new_node(struct builder *builder, enum node_kind kind, yaml_mark_t mark)
{
        struct yaml_document *document = builder->document;
        if (document->n_nodes == document->capacity) {
                document->capacity = document->capacity ? document->capacity * 2 : 256;
                document->nodes = xrealloc_array(document->nodes, document->capacity,
                                                 sizeof(struct yaml_node *));
        }
        struct yaml_node *node = xcalloc(1, sizeof *node);
        node->kind = kind;
        node->line = (unsigned)mark.line + 1;
        node->column = (unsigned)mark.column + 1;
        node->weight = 1;
        document->nodes[document->n_nodes++] = node;
        return node;
}

static bool add_weight(struct builder *builder, struct yaml_node *node, size_t weight,
                       yaml_mark_t mark)
{
        node->weight += weight;
        if (node->weight <= YAML_MAX_NODES)
                return true;
        _cleanup_free_ char *message = xasprintf(
                "more than %d values, aliases written out: too many for one file", YAML_MAX_NODES);
        problem_at(builder, mark, message);
        return false;
}

/* Returns the index of the anchor that a node opens, or -1: none, or too many (then *ok is
 * cleared). */
static ssize_t open_anchor(struct builder *builder, const yaml_char_t *name, yaml_mark_t mark,
                           bool *ok)
{
        if (!name)
                return -1;
        if (builder->n_anchors == YAML_MAX_ANCHORS) {
                problem_at(builder, mark, "too many anchors for one file");
                *ok = false;
                return -1;
        }
        builder->anchors =
                xrealloc_array(builder->anchors, builder->n_anchors + 1, sizeof *builder->anchors);
        builder->anchors[builder->n_anchors] =
                (struct anchor){ .name = xstrdup((const char *)name) };
        return (ssize_t)builder->n_anchors++;
}

static const struct yaml_node *resolve_alias(struct builder *builder, const yaml_event_t *event)
{
        _cleanup_free_ char *name = str_one_line((const char *)event->data.alias.anchor, 60);
        _cleanup_free_ char *message = NULL;
        for (size_t i = builder->n_anchors; i > 0; i--) {
                const struct anchor *anchor = &builder->anchors[i - 1];
                if (!streq(anchor->name, (const char *)event->data.alias.anchor))
                        continue;
                if (anchor->node)
                        return anchor->node;
                message = xasprintf(
                        "the alias *%s stands inside of what &%s names: it would contain itself",
                        name, name);
                problem_at(builder, event->start_mark, message);
                return NULL;
        }
        message = xasprintf("the alias *%s has no anchor &%s above it", name, name);
        problem_at(builder, event->start_mark, message);
        return NULL;
}

static void refuse_tag(struct builder *builder, const yaml_char_t *tag, yaml_mark_t mark)
{
        if (!tag)
                return;
        _cleanup_free_ char *clean = str_one_line((const char *)tag, 60);
        _cleanup_free_ char *message = xasprintf(
                "the tag \"%s\" is not allowed here: write the value plainly, a text in quotes",
                clean);
        problem_at(builder, mark, message);
}

static struct yaml_node *build_scalar(struct builder *builder, const yaml_event_t *event)
{
        struct yaml_node *node = new_node(builder, NODE_SCALAR, event->start_mark);
        refuse_tag(builder, event->data.scalar.tag, event->start_mark);
        if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
                problem_at(builder, event->start_mark, "a text must not contain a NUL character");
        node->text = xstrndup((const char *)event->data.scalar.value, event->data.scalar.length);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return node;
}

static const struct yaml_node *build_node(struct builder *builder, yaml_event_t *event,
                                          unsigned depth);

static bool build_items(struct builder *builder, struct yaml_node *node, unsigned depth)
{
        size_t capacity = 0;
        for (;;) {
                _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
                if (!next_event(builder, &event))
                        return false;
                if (event.type == YAML_SEQUENCE_END_EVENT)
                        return true;
                const struct yaml_node *item = build_node(builder, &event, depth);
                if (!item || !add_weight(builder, node, item->weight, event.start_mark))
                        return false;
                if (node->count == capacity) {
                        capacity = capacity ? capacity * 2 : 8;
                        node->items = xrealloc_array(node->items, capacity,
                                                     sizeof(const struct yaml_node *));
                }
                node->items[node->count++] = item;
        }
}

static bool add_pair(struct builder *builder, struct yaml_node *node, const struct yaml_node *key,
                     const struct yaml_node *value, yaml_mark_t mark)
{
        if (node->count == YAML_MAX_KEYS) {
                problem_at(builder, mark, "too many keys in one mapping");
                return false;
        }
        node->pairs = xrealloc_array(node->pairs, node->count + 1, sizeof *node->pairs);
        node->pairs[node->count++] = (struct yaml_pair){ .key = key, .value = value };
        return add_weight(builder, node, value->weight + 1, mark);
}

/* Keys that the mapping has already win, as YAML's merge type has it. */
static bool merge_mapping(struct builder *builder, struct yaml_node *node,
                          const struct yaml_node *from, yaml_mark_t mark)
{
        for (size_t i = 0; i < from->count; i++)
                if (!yaml_mapping_get(node, from->pairs[i].key->text) &&
                    !add_pair(builder, node, from->pairs[i].key, from->pairs[i].value, mark))
                        return false;
        return true;
}

/* `merge` is the value of a `<<` key: a mapping, or a list of mappings of which the earlier win. */
static bool merge_value(struct builder *builder, struct yaml_node *node,
                        const struct yaml_node *merge)
{
        yaml_mark_t mark = { .line = merge->line - 1, .column = merge->column - 1 };
        if (merge->kind == NODE_MAPPING)
                return merge_mapping(builder, node, merge, mark);
        bool all_mappings = merge->kind == NODE_SEQUENCE;
        for (size_t i = 0; all_mappings && i < merge->count; i++)
                all_mappings = merge->items[i]->kind == NODE_MAPPING;
        if (!all_mappings) {
                problem_at(builder, mark,
                           "a merge key << takes a mapping or a list of mappings, as in \"<<: "
                           "*name\"");
                return true;
        }
        for (size_t i = 0; i < merge->count; i++)
                if (!merge_mapping(builder, node, merge->items[i], mark))
                        return false;
        return true;
}

static void refuse_duplicate(struct builder *builder, const struct yaml_node *key,
                             const struct yaml_node *first, yaml_mark_t mark)
{
        _cleanup_free_ char *clean = str_one_line(key->text, 60);
        _cleanup_free_ char *message =
                xasprintf("the key \"%s\" is given twice in one mapping, first on line %u", clean,
                          first->line);
        problem_at(builder, mark, message);
}

static const struct yaml_node *find_key(const struct yaml_node *mapping, const char *key)
{
        for (size_t i = 0; i < mapping->count; i++)
                if (strcmp(mapping->pairs[i].key->text, key) == 0)
                        return mapping->pairs[i].key;
        return NULL;
}

static bool build_pair(struct builder *builder, struct yaml_node *node, yaml_event_t *key_event,
                       const struct yaml_node **merge, unsigned depth)
{
        _cleanup_(yaml_event_delete) yaml_event_t value_event = { 0 };
        const struct yaml_node *key = build_node(builder, key_event, depth);
        if (!key || !next_event(builder, &value_event))
                return false;
        const struct yaml_node *value = build_node(builder, &value_event, depth);
        if (!value)
                return false;
        if (key->kind != NODE_SCALAR) {
                problem_at(builder, key_event->start_mark,
                           "a key must be a plain word, not a list or a mapping");
                return true;
        }
        bool is_merge = !key->quoted && streq(key->text, "<<");
        const struct yaml_node *first =
                is_merge ? (*merge ? key : NULL) : find_key(node, key->text);
        if (first) {
                refuse_duplicate(builder, key, first, key_event->start_mark);
                return true;
        }
        if (is_merge) {
                *merge = value;
                return true;
        }
        return add_pair(builder, node, key, value, key_event->start_mark);
}

static bool build_pairs(struct builder *builder, struct yaml_node *node, unsigned depth)
{
        const struct yaml_node *merge = NULL;
        for (;;) {
                _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
                if (!next_event(builder, &event))
                        return false;
                if (event.type == YAML_MAPPING_END_EVENT)
                        return !merge || merge_value(builder, node, merge);
                if (!build_pair(builder, node, &event, &merge, depth))
                        return false;
        }
}

static const struct yaml_node *build_collection(struct builder *builder, yaml_event_t *event,
                                                unsigned depth)
{
        bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
        const yaml_char_t *name =
                is_mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
        if (depth >= YAML_MAX_DEPTH) {
                problem_at(builder, event->start_mark, "nested too deeply");
                return NULL;
        }
        refuse_tag(builder,
                   is_mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag,
                   event->start_mark);
        bool ok = true;
        ssize_t anchor = open_anchor(builder, name, event->start_mark, &ok);
        struct yaml_node *node =
                new_node(builder, is_mapping ? NODE_MAPPING : NODE_SEQUENCE, event->start_mark);
        if (!ok || !(is_mapping ? build_pairs(builder, node, depth + 1)
                                : build_items(builder, node, depth + 1)))
                return NULL;
        if (anchor >= 0)
                builder->anchors[anchor].node = node;
        return node;
}

static const struct yaml_node *build_node(struct builder *builder, yaml_event_t *event,
                                          unsigned depth)
{
        if (builder->document->n_nodes >= YAML_MAX_NODES) {
                problem_at(builder, event->start_mark, "too many values for one file");
                return NULL;
        }
        if (event->type == YAML_ALIAS_EVENT)
                return resolve_alias(builder, event);
        if (event->type != YAML_SCALAR_EVENT)
                return build_collection(builder, event, depth);
        bool ok = true;
        ssize_t anchor = open_anchor(builder, event->data.scalar.anchor, event->start_mark, &ok);
        const struct yaml_node *node = build_scalar(builder, event);
        if (anchor >= 0)
                builder->anchors[anchor].node = node;
        return ok ? node : NULL;
}

/* Reads events up to the first of `type`, which is the next one in every well-formed stream. */
static bool expect_event(struct builder *builder, yaml_event_type_t type, yaml_mark_t *ret_mark)
{
        _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
        if (!next_event(builder, &event))
                return false;
        *ret_mark = event.start_mark;
        return event.type == type;
}

static void build_document(struct builder *builder)
{
        size_t n_errors = builder->source.problems->n_errors;
        yaml_mark_t mark = { 0 };
        if (!expect_event(builder, YAML_STREAM_START_EVENT, &mark))
                return;
        if (!expect_event(builder, YAML_DOCUMENT_START_EVENT, &mark)) {
                if (builder->source.problems->n_errors == n_errors)
                        problems_add(builder->source.problems, builder->source.file, 1, 1,
                                     "the file is empty");
                return;
        }
        _cleanup_(yaml_event_delete) yaml_event_t event = { 0 };
        if (!next_event(builder, &event))
                return;
        builder->document->root = build_node(builder, &event, 0);
        if (!builder->document->root || !expect_event(builder, YAML_DOCUMENT_END_EVENT, &mark))
                return;
        n_errors = builder->source.problems->n_errors;
        if (!expect_event(builder, YAML_STREAM_END_EVENT, &mark) &&
            builder->source.problems->n_errors == n_errors)
                problem_at(builder, mark, "a second document begins here: the file must hold one");
}

static void builder_done(struct builder *builder)
{
        for (size_t i = 0; i < builder->n_anchors; i++)
                free(builder->anchors[i].name);
        free(builder->anchors);
        yaml_parser_delete(&builder->parser);
}

struct yaml_document *yaml_document_parse(const char *text, size_t length, const char *file,
                                          struct problems *problems)
{
        if (length > YAML_MAX_BYTES) {
                problems_add(problems, file, 0, 0, "larger than %d MiB: too large for such a file",
                             YAML_MAX_BYTES >> 20);
                return NULL;
        }
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                xcalloc(1, sizeof *document);
        _cleanup_(builder_done) struct builder builder = {
                .source = { .text = text ? text : "",
                            .length = length,
                            .file = file,
                            .problems = problems },
                .document = document,
        };
        if (!yaml_parser_initialize(&builder.parser))
                abort(); /* it only allocates */
        /* The encoding is set so that a byte order mark cannot switch the reader to UTF-16. */
        yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&builder.parser, (const unsigned char *)builder.source.text,
                                     length);
        build_document(&builder);
        return document->root ? TAKE_PTR(document) : NULL;
}

struct yaml_document *yaml_document_free(struct yaml_document *document)
{
        if (!document)
                return NULL;
        for (size_t i = 0; i < document->n_nodes; i++) {
                free(document->nodes[i]->text);
                free(document->nodes[i]->pairs);
                free(document->nodes[i]->items);
                free(document->nodes[i]);
        }
        free(document->nodes);
        free(document);
        return NULL;
}

const struct yaml_node *yaml_document_root(const struct yaml_document *document)
{
        return document->root;
}
