/* The parts of a VM's entry that are programs of somebody else's: pre- and post-commands, test
 * commands, config_capture. */
#include <stddef.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/inventory-internal.h"
#include "schema/config/text-checks.h"

enum { MAX_COMMANDS = 100, DEFAULT_TIMEOUT_SECONDS = 60, MAX_TIMEOUT_SECONDS = 24 * 60 * 60 };

static const char *const on_words[] = { "hypervisor", "orchestrator", "guest", NULL };
static const char *const on_error_words[] = { "fail", "warn", "ignore", NULL };

static const struct field command_fields[] = {
        { "on", FIELD_WORD, offsetof(struct vm_command, on), .words = on_words },
        { "command", FIELD_TEXTS, offsetof(struct vm_command, argv), .required = true,
          .may_be_empty = true, .multiline = true },
        { "timeout_seconds", FIELD_UNSIGNED, offsetof(struct vm_command, timeout_seconds), .min = 1,
          .max = MAX_TIMEOUT_SECONDS },
        { "on_error", FIELD_WORD, offsetof(struct vm_command, on_error), .words = on_error_words },
        { NULL },
};

static void read_command(const struct field_reader *reader, const struct field *list,
                         const struct yaml_node *node, struct vm_command *ret)
{
        if (node->kind == NODE_SCALAR) {
                struct field shell = { .name = list->name, .type = FIELD_TEXT, .multiline = true };
                ret->shell = xstrdup(field_text(reader, &shell, node));
                return;
        }
        if (node->kind != NODE_MAPPING) {
                field_expected(reader, list->name, node,
                               "a shell line, or a mapping such as {on: guest, command: [sync]}");
                return;
        }
        fields_read(reader, command_fields, "a command", node, NULL, ret);
        const struct yaml_node *argv = yaml_mapping_get(node, "command");
        bool without_program = argv && argv->kind == NODE_SEQUENCE &&
                               (argv->count == 0 || (argv->items[0]->kind == NODE_SCALAR &&
                                                     str_empty(argv->items[0]->text)));
        if (without_program)
                field_problem(reader, argv,
                              "command: names no program: its first word is missing or empty");
}

void vm_commands_read(const struct field_reader *reader, const struct field *field,
                      const struct yaml_node *node, enum command_on on,
                      enum command_on_error on_error, struct vm_command **ret, size_t *ret_n)
{
        if (node->kind != NODE_SEQUENCE || node->count > MAX_COMMANDS) {
                field_expected(reader, field->name, node,
                               "a list (\"- …\") of at most 100 commands");
                return;
        }
        vm_commands_free(*ret, *ret_n);
        *ret = xcalloc(node->count + 1, sizeof **ret);
        *ret_n = node->count;
        for (size_t i = 0; i < node->count; i++) {
                (*ret)[i] = (struct vm_command){ .on = on,
                                                 .timeout_seconds = DEFAULT_TIMEOUT_SECONDS,
                                                 .on_error = on_error };
                read_command(reader, field, node->items[i], &(*ret)[i]);
        }
}

void vm_commands_free(struct vm_command *commands, size_t n_commands)
{
        for (size_t i = 0; i < n_commands; i++) {
                free(commands[i].shell);
                strv_free(commands[i].argv);
        }
        free(commands);
}

#define CAPTURE(member) offsetof(struct vm_config_capture, member)

static const struct field capture_fields[] = {
        { "profile", FIELD_TEXT, CAPTURE(profile), .required = true, .check = text_check_word },
        { "address", FIELD_TEXT, CAPTURE(address), .required = true, .check = text_check_address },
        { "port", FIELD_UNSIGNED, CAPTURE(port), .min = 1, .max = 65535 },
        { "user", FIELD_TEXT, CAPTURE(user), .required = true, .check = text_check_user },
        { "key", FIELD_TEXT, CAPTURE(key), .check = text_check_path },
        { "password_env", FIELD_TEXT, CAPTURE(password_env), .check = text_check_variable,
          .hidden = true },
        { "enable_password_env", FIELD_TEXT, CAPTURE(enable_password_env),
          .check = text_check_variable, .hidden = true },
        { "algorithms", FIELD_TEXTS, CAPTURE(algorithms), .check = text_check_word,
          .unique = true },
        { "write_memory", FIELD_BOOL, CAPTURE(write_memory) },
        { "timeout_seconds", FIELD_UNSIGNED, CAPTURE(timeout_seconds), .min = 1,
          .max = MAX_TIMEOUT_SECONDS },
        { "on_error", FIELD_WORD, CAPTURE(on_error), .words = on_error_words },
        { NULL },
};

void vm_config_capture_read(const struct field_reader *reader, const struct field *field,
                            const struct yaml_node *node, void *member)
{
        struct vm_config_capture **ret = member;
        struct vm_config_capture *capture = xcalloc(1, sizeof *capture);
        *capture = (struct vm_config_capture){
                .port = 22,
                .write_memory = true,
                .timeout_seconds = DEFAULT_TIMEOUT_SECONDS,
                .on_error = COMMAND_ON_ERROR_WARN,
        };
        fields_read(reader, capture_fields, field->name, node, NULL, capture);
        vm_config_capture_free(*ret);
        *ret = capture;
}

struct vm_config_capture *vm_config_capture_free(struct vm_config_capture *capture)
{
        if (!capture)
                return NULL;
        free(capture->profile);
        free(capture->address);
        free(capture->user);
        free(capture->key);
        free(capture->password_env);
        free(capture->enable_password_env);
        strv_free(capture->algorithms);
        free(capture);
        return NULL;
}
