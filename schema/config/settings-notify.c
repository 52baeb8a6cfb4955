/* `notify:` of orch.yaml: the channels beside Slack's two of `slack:`. A channel is reached by an
 * address, which is a secret and so is given by name, or by a command. */
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/settings-internal.h"
#include "schema/config/text-checks.h"

enum { MAX_CHANNELS = 50, DEFAULT_TIMEOUT_SECONDS = 15, MAX_TIMEOUT_SECONDS = 30 };

static const char *const kind_words[] = { "slack", "webhook", "command", NULL };
static const char *const severity_words[] = { "failure", "warning", "resolved", "summary", NULL };

const char *notice_severity_name(enum notice_severity severity)
{
        return severity_words[severity];
}

const char *notify_kind_name(enum notify_kind kind)
{
        return kind_words[kind];
}

static const char *check_channel(const char *text)
{
        if (streq(text, SLACK_FAILURE_CHANNEL) || streq(text, SLACK_SUMMARY_CHANNEL))
                return "a name of its own (slack-failure and slack-summary are those of `slack:`)";
        return text_check_name(text);
}

static void read_severities(const struct field_reader *reader, const struct field *field,
                            const struct yaml_node *node, void *member)
{
        if (node->kind != NODE_SEQUENCE || node->count == 0 || node->count > NOTICE_SEVERITIES) {
                field_expected(reader, field->name, node,
                               "a list of failure, warning, resolved, summary");
                return;
        }
        unsigned severities = 0;
        for (size_t i = 0; i < node->count; i++) {
                int word = field_word(reader, field->name, node->items[i], severity_words);
                if (word >= 0 && severities & (1U << word))
                        field_problem(reader, node->items[i], "%s: \"%s\" is listed twice",
                                      field->name, severity_words[word]);
                else if (word >= 0)
                        severities |= 1U << word;
        }
        *(unsigned *)member = severities;
}

#define CHANNEL(member) offsetof(struct notify_channel, member)

static const struct field channel_fields[] = {
        { "name", FIELD_TEXT, CHANNEL(name), .required = true, .check = check_channel },
        { "kind", FIELD_WORD, CHANNEL(kind), .required = true, .words = kind_words },
        { "url_env", FIELD_TEXT, CHANNEL(url_env), .check = text_check_variable, .hidden = true },
        { "command", FIELD_TEXTS, CHANNEL(command), .may_be_empty = true },
        { "severities", FIELD_CUSTOM, CHANNEL(severities), .read = read_severities },
        { "tags", FIELD_TEXTS, CHANNEL(tags), .check = text_check_word, .unique = true },
        { "ca_file", FIELD_TEXT, CHANNEL(ca_file), .check = text_check_path },
        { "timeout_seconds", FIELD_UNSIGNED, CHANNEL(timeout_seconds), .min = 1,
          .max = MAX_TIMEOUT_SECONDS },
        { NULL },
};

/* An address and its CA, or a command: by the kind, and never both. */
static void check_way(const struct field_reader *reader, const struct notify_channel *channel,
                      const struct yaml_node *node)
{
        const struct yaml_node *kind = yaml_mapping_get(node, "kind");
        const struct yaml_node *command = yaml_mapping_get(node, "command");
        const struct yaml_node *url_env = yaml_mapping_get(node, "url_env");
        const struct yaml_node *ca_file = yaml_mapping_get(node, "ca_file");
        bool known =
                kind && kind->kind == NODE_SCALAR && streq(kind->text, kind_words[channel->kind]);
        if (!known)
                return;
        if (channel->kind != NOTIFY_COMMAND) {
                if (!url_env)
                        field_problem(reader, node,
                                      "the key \"url_env\" is missing in a channel of kind %s",
                                      kind_words[channel->kind]);
                if (command)
                        field_problem(reader, command,
                                      "command: only a channel of kind command has one");
                return;
        }
        if (!command)
                field_problem(reader, node,
                              "the key \"command\" is missing in a channel of kind command");
        else if (command->kind == NODE_SEQUENCE &&
                 (command->count == 0 ||
                  (command->items[0]->kind == NODE_SCALAR && str_empty(command->items[0]->text))))
                field_problem(reader, command,
                              "command: names no program: its first word is missing or empty");
        if (url_env)
                field_problem(reader, url_env, "url_env: a channel of kind command has none");
        if (ca_file)
                field_problem(reader, ca_file, "ca_file: a channel of kind command has none");
}

static void check_unique(const struct field_reader *reader, const struct settings *settings,
                         size_t index, const struct yaml_node *node)
{
        for (size_t i = 0; i < index; i++)
                if (settings->notify[index].name &&
                    streq(settings->notify[i].name, settings->notify[index].name))
                        field_problem(reader, yaml_mapping_get(node, "name"),
                                      "name: there is another channel \"%s\"",
                                      settings->notify[i].name);
}

void settings_read_notify(const struct field_reader *reader, const struct field *field,
                          const struct yaml_node *node, void *member)
{
        struct settings *settings = member;
        if (node->kind != NODE_SEQUENCE || node->count > MAX_CHANNELS) {
                field_expected(reader, field->name, node,
                               "a list (\"- …\") of at most 50 channels");
                return;
        }
        settings->notify = xcalloc(node->count + 1, sizeof *settings->notify);
        settings->n_notify = node->count;
        for (size_t i = 0; i < node->count; i++) {
                struct notify_channel *channel = &settings->notify[i];
                *channel = (struct notify_channel){ .severities = (1U << NOTICE_SEVERITIES) - 1,
                                                    .timeout_seconds = DEFAULT_TIMEOUT_SECONDS };
                if (!fields_read(reader, channel_fields, "a channel", node->items[i], NULL,
                                 channel))
                        continue;
                check_way(reader, channel, node->items[i]);
                check_unique(reader, settings, i, node->items[i]);
        }
}

void notify_channel_done(struct notify_channel *channel)
{
        free(channel->name);
        free(channel->url_env);
        free(channel->ca_file);
        strv_free(channel->command);
        strv_free(channel->tags);
        *channel = (struct notify_channel){ 0 };
}
