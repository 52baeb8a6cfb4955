/* Implements schema/config/appliance-profile.h. The built-in profiles are files of the same form
 * (schema/profiles/), compiled in. */
#include "schema/config/appliance-profile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/profile-asa.h"
#include "schema/yaml/yaml-fields.h"

enum { MAX_CAPTURES = 50, MAX_ANSWERS = 50 };

static const char *const line_ending_words[] = { "cr", "lf", "crlf", NULL };

static const struct {
        const char *name;
        const char *text;
} built_in[] = { { "asa", profile_asa } };

static const char *profile_check_pattern(const char *text)
{
        regex_t regex;
        if (regcomp(&regex, text, REG_EXTENDED | REG_NOSUB) != 0)
                return "an extended regular expression such as '^: end$'";
        regfree(&regex);
        return NULL;
}

static const char *check_file(const char *text)
{
        return name_is_safe(text) && !streq(text, "changes.diff")
                       ? NULL
                       : "a file name of letters, digits, and \"._-\" that is not changes.diff";
}

/* The enable and save groups are only names in the file: offsets are from the start of the
 * profile. */
#define PROFILE(member) offsetof(struct appliance_profile, member)
#define PATTERN .check = profile_check_pattern

static const struct field enable_fields[] = {
        { "command", FIELD_TEXT, PROFILE(enable_command), .required = true },
        { "prompt", FIELD_TEXT, PROFILE(enable_prompt), .required = true, PATTERN },
        { NULL },
};

static const struct field save_fields[] = {
        { "command", FIELD_TEXT, PROFILE(save_command), .required = true },
        { "expect", FIELD_TEXT, PROFILE(save_expect), PATTERN },
        { NULL },
};

static const struct field answer_fields[] = {
        { "ask", FIELD_TEXT, offsetof(struct appliance_answer, ask), .required = true, PATTERN },
        { "answer", FIELD_TEXT, offsetof(struct appliance_answer, answer), .required = true,
          .may_be_empty = true },
        { NULL },
};

static const struct field capture_fields[] = {
        { "file", FIELD_TEXT, offsetof(struct appliance_capture, file), .required = true,
          .check = check_file },
        { "command", FIELD_TEXT, offsetof(struct appliance_capture, command), .required = true },
        { "begins", FIELD_TEXT, offsetof(struct appliance_capture, begins), PATTERN },
        { "ends", FIELD_TEXT, offsetof(struct appliance_capture, ends), PATTERN },
        { NULL },
};

static void answers_free(struct appliance_answer *answers, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(answers[i].ask);
                free(answers[i].answer);
        }
        free(answers);
}

static void captures_free(struct appliance_capture *captures, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(captures[i].file);
                free(captures[i].command);
                free(captures[i].begins);
                free(captures[i].ends);
        }
        free(captures);
}

static bool is_list(const struct field_reader *reader, const struct field *field,
                    const struct yaml_node *node, size_t most)
{
        if (node->kind == NODE_SEQUENCE && node->count <= most)
                return true;
        field_expected(reader, field->name, node, "a list (\"- …\") of at most 50 entries");
        return false;
}

/* These two have the profile itself as member. */
static void read_answers(const struct field_reader *reader, const struct field *field,
                         const struct yaml_node *node, void *member)
{
        struct appliance_profile *profile = member;
        if (!is_list(reader, field, node, MAX_ANSWERS))
                return;
        profile->answers = xcalloc(node->count + 1, sizeof *profile->answers);
        for (size_t i = 0; i < node->count; i++)
                fields_read(reader, answer_fields, "an answer", node->items[i], NULL,
                            &profile->answers[profile->n_answers++]);
}

static void refuse_same_file(const struct field_reader *reader,
                             const struct appliance_profile *profile, const struct yaml_node *node)
{
        const struct appliance_capture *last = &profile->captures[profile->n_captures - 1];
        for (size_t i = 0; last->file && i + 1 < profile->n_captures; i++)
                if (streq(profile->captures[i].file, last->file))
                        field_problem(reader, node, "captures: the file \"%s\" is written twice",
                                      last->file);
}

static void read_captures(const struct field_reader *reader, const struct field *field,
                          const struct yaml_node *node, void *member)
{
        struct appliance_profile *profile = member;
        if (!is_list(reader, field, node, MAX_CAPTURES))
                return;
        if (node->count == 0)
                field_problem(reader, node,
                              "captures: the list is empty: there would be nothing to save");
        profile->captures = xcalloc(node->count + 1, sizeof *profile->captures);
        for (size_t i = 0; i < node->count; i++) {
                fields_read(reader, capture_fields, "a capture", node->items[i], NULL,
                            &profile->captures[profile->n_captures++]);
                refuse_same_file(reader, profile, node->items[i]);
        }
}

static const struct field profile_fields[] = {
        { "line_ending", FIELD_WORD, PROFILE(line_ending), .words = line_ending_words },
        { "prompt", FIELD_TEXT, PROFILE(prompt), .required = true, PATTERN },
        { "username_prompt", FIELD_TEXT, PROFILE(username_prompt), PATTERN },
        { "password_prompt", FIELD_TEXT, PROFILE(password_prompt), PATTERN },
        { "enable", FIELD_MAPPING, .fields = enable_fields },
        { "setup", FIELD_TEXTS, PROFILE(setup) },
        { "save", FIELD_MAPPING, .fields = save_fields },
        { "answers", FIELD_CUSTOM, 0, .read = read_answers },
        { "captures", FIELD_CUSTOM, 0, .required = true, .read = read_captures },
        { "pager", FIELD_TEXTS, PROFILE(pager) },
        { "errors", FIELD_TEXTS, PROFILE(errors), PATTERN },
        { "ignore_changes", FIELD_TEXTS, PROFILE(ignore_changes), PATTERN },
        { "logout", FIELD_TEXT, PROFILE(logout) },
        { NULL },
};

struct appliance_profile *appliance_profile_parse(const char *text, size_t length, const char *path,
                                                  const char *name, struct problems *problems)
{
        size_t n_errors = problems->n_errors;
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                yaml_document_parse(text, length, path, problems);
        if (!document)
                return NULL;
        _cleanup_(appliance_profile_freep) struct appliance_profile *profile =
                xcalloc(1, sizeof *profile);
        profile->name = xstrdup(name);
        profile->username_prompt = xstrdup("([Uu]sername|[Ll]ogin): ?$");
        profile->password_prompt = xstrdup("[Pp]assword: ?$");
        struct field_reader reader = { .file = path, .problems = problems };
        fields_read(&reader, profile_fields, "an appliance profile", yaml_document_root(document),
                    NULL, profile);
        return problems->n_errors > n_errors ? NULL : TAKE_PTR(profile);
}

static struct appliance_profile *load_built_in(const char *inventory_file, unsigned line,
                                               const char *name, const char *own_path,
                                               struct problems *problems)
{
        _cleanup_strbuf_ struct strbuf names = { 0 };
        for (size_t i = 0; i < ARRAY_LENGTH(built_in); i++) {
                if (streq(built_in[i].name, name)) {
                        _cleanup_free_ char *path = xasprintf("(built-in)/%s.yaml", name);
                        return appliance_profile_parse(built_in[i].text, strlen(built_in[i].text),
                                                       path, name, problems);
                }
                strbuf_addf(&names, "%s%s", i ? ", " : "", built_in[i].name);
        }
        problems_add(problems, inventory_file, line, 0,
                     "config_capture: there is no appliance profile \"%s\": built in is %s; one of "
                     "your own is a file %s",
                     name, names.data, own_path);
        return NULL;
}

struct appliance_profile *appliance_profile_load(const char *inventory_file, unsigned line,
                                                 const char *name, struct problems *problems)
{
        if (!name_is_safe(name)) {
                problems_add(problems, inventory_file, line, 0,
                             "config_capture: \"%s\" cannot be the name of an appliance profile",
                             name);
                return NULL;
        }
        _cleanup_free_ char *directory = path_directory(inventory_file);
        _cleanup_free_ char *path = xasprintf("%s/profiles/%s.yaml", directory, name);
        if (access(path, F_OK) < 0 && errno == ENOENT)
                return load_built_in(inventory_file, line, name, path, problems);
        size_t length = 0;
        _cleanup_free_ char *text = yaml_read_file(path, &length, problems);
        return text ? appliance_profile_parse(text, length, path, name, problems) : NULL;
}

struct appliance_profile *appliance_profile_free(struct appliance_profile *profile)
{
        if (!profile)
                return NULL;
        free(profile->name);
        free(profile->prompt);
        free(profile->username_prompt);
        free(profile->password_prompt);
        free(profile->enable_command);
        free(profile->enable_prompt);
        strv_free(profile->setup);
        free(profile->save_command);
        free(profile->save_expect);
        answers_free(profile->answers, profile->n_answers);
        captures_free(profile->captures, profile->n_captures);
        strv_free(profile->pager);
        strv_free(profile->errors);
        strv_free(profile->ignore_changes);
        free(profile->logout);
        free(profile);
        return NULL;
}

static void add_pattern(struct line_patterns *patterns, const char *text)
{
        patterns->items =
                xrealloc_array(patterns->items, patterns->count + 1, sizeof *patterns->items);
        if (regcomp(&patterns->items[patterns->count], text, REG_EXTENDED | REG_NOSUB) == 0)
                patterns->count++;
}

void line_patterns_init(struct line_patterns *patterns, char *const *texts)
{
        *patterns = (struct line_patterns){ 0 };
        for (size_t i = 0; texts && texts[i]; i++)
                add_pattern(patterns, texts[i]);
}

void line_patterns_init_one(struct line_patterns *patterns, const char *text)
{
        *patterns = (struct line_patterns){ 0 };
        if (text)
                add_pattern(patterns, text);
}

void line_patterns_done(struct line_patterns *patterns)
{
        for (size_t i = 0; i < patterns->count; i++)
                regfree(&patterns->items[i]);
        free(patterns->items);
        *patterns = (struct line_patterns){ 0 };
}

bool line_patterns_match(const struct line_patterns *patterns, const char *line, size_t length)
{
        if (!patterns->count)
                return false;
        _cleanup_free_ char *copy = xstrndup(line, length);
        for (size_t i = 0; i < patterns->count; i++)
                if (regexec(&patterns->items[i], copy, 0, NULL, 0) == 0)
                        return true;
        return false;
}
