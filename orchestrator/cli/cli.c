/* Implements cli/cli.h: argv → verb (one or two words) → its options → its function → exit status.
 *
 * Global options may stand anywhere, also before the verb; a verb's own only after it. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/help.h"
#include "cli/terminal/output.h"
#include "schema/json/json-fields.h"

const struct option_spec cli_global_options[] = {
        { .name = "config",
          .value = "FILE",
          .help = "settings (default $ORCH_CONFIG, /etc/orch/orch.yaml)" },
        { .name = "json", .help = "print JSON and ask nothing" },
        { .letter = 'q', .name = "quiet", .help = "print results and errors only" },
        { .letter = 'v', .name = "verbose", .help = "print more" },
        { .letter = 'h', .name = "help", .help = "print this help" },
        { .name = "version", .help = "print the version" },
        { 0 },
};

enum exit_status cli_status_from_error(const struct error *error)
{
        switch (error->kind) {
        case ERROR_CONFIG:
                return STATUS_USAGE;
        case ERROR_BUSY:
        case ERROR_REFUSED:
                return STATUS_REFUSED;
        case ERROR_CANCELLED:
                return STATUS_CANCELLED;
        case ERROR_AUTH:
        case ERROR_UNREACHABLE:
        case ERROR_TIMEOUT:
        case ERROR_NOSPACE:
        case ERROR_CORRUPT:
        case ERROR_INTERNAL:
        case _ERROR_KIND_MAX:
                break;
        }
        return STATUS_JOB_FAILED;
}

struct settings *cli_load_settings(const struct cli *cli)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(settings_freep) struct settings *settings =
                settings_load(cli->config, NULL, &problems);
        _cleanup_error_ struct error *error = NULL;
        if (settings && clock_set_timezone(settings->cycle_timezone, &error) < 0)
                problems_add(&problems, cli->config, 0, 0, "cycle.timezone: %s", error->message);
        if (problems.n_errors == 0)
                return TAKE_PTR(settings);
        _cleanup_free_ char *text = problems_format(&problems);
        output_diagnostics(text);
        output_complain("orch cannot continue with these settings. Run `orch config check` to "
                        "check all files; --config names another file");
        return NULL;
}

int cli_moment(const struct cli *cli, const char *text, enum when_direction direction, int64_t *ret,
               struct error **err)
{
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        return settings ? when_parse(text, clock_realtime_s(), direction, ret, err) : -1;
}

struct client *cli_connect(const struct cli *cli)
{
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        return settings ? client_new(settings->socket) : NULL;
}

json_t *cli_words(const struct cli *cli)
{
        json_t *words = json_array();
        for (size_t i = 0; i < cli->options->n_words; i++)
                json_array_append_new(words, json_from_text(cli->options->words[i]));
        return words;
}

int cli_call(const struct cli *cli, const char *path, const json_t *body, json_t **ret,
             struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *answer = NULL;
        int status = client_call(client, path, body, &answer, err);
        if (status != STATUS_OK)
                return status;
        if (cli->json)
                return cli_printed(output_json(answer));
        *ret = TAKE_PTR(answer);
        return STATUS_OK;
}

int cli_printed(bool written)
{
        return written ? STATUS_OK : STATUS_JOB_FAILED;
}

bool cli_ask(const char *question)
{
        printf("%s [y/N] ", question);
        fflush(stdout);
        char answer[16];
        if (!fgets(answer, sizeof answer, stdin))
                return false;
        answer[strcspn(answer, "\n")] = '\0';
        return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

bool cli_ask_word(const char *question, const char *word)
{
        fputs(question, stdout);
        fflush(stdout);
        char answer[256];
        if (!fgets(answer, sizeof answer, stdin))
                return false;
        answer[strcspn(answer, "\n")] = '\0';
        return streq(answer, word);
}

/* The index in argv of the next word, from `from`, that is not an option; argc if there is none; -1
 * for an option that is not global. */
static int next_word(int from, int argc, char *argv[], struct error **err)
{
        for (int i = from; i < argc; i++) {
                if (argv[i][0] != '-' || !argv[i][1])
                        return i;
                const struct option_spec *spec = options_find(cli_global_options, argv[i]);
                if (!spec)
                        return options_unknown(cli_global_options, NULL, argv[i], err);
                if (spec->value && argv[i][1] == '-' && !strchr(argv[i], '='))
                        i++;
        }
        return argc;
}

static bool is_group(const struct verb verbs[], const char *word)
{
        for (; verbs->name; verbs++)
                if (str_starts_with(verbs->name, word) && verbs->name[strlen(word)] == ' ')
                        return true;
        return false;
}

static const struct verb *find_verb(const struct verb verbs[], const char *name)
{
        for (; verbs->name; verbs++)
                if (streq(verbs->name, name))
                        return verbs;
        return NULL;
}

/* The second words of the verbs whose first word is `group`: "init", "check", "unlock". */
static char **second_words(const struct verb verbs[], const char *group)
{
        char **seconds = NULL;
        for (; verbs->name; verbs++)
                if (str_starts_with(verbs->name, group) && verbs->name[strlen(group)] == ' ')
                        strv_add(&seconds, verbs->name + strlen(group) + 1);
        return seconds;
}

/* The verb, or the first word of a verb, that is nearest to `name`; NULL if none is near. Points
 * into the table or *known. */
static const char *nearest_verb(const struct verb verbs[], const char *name, char ***known)
{
        for (; verbs->name; verbs++) {
                if (verbs->needs == VERB_HIDDEN)
                        continue;
                strv_add(known, verbs->name);
                size_t length = strcspn(verbs->name, " ");
                if (verbs->name[length])
                        strv_addf(known, "%.*s", (int)length, verbs->name);
        }
        return *known ? nearest_word(name, (const char *const *)*known) : NULL;
}

static int unknown_verb(const struct verb verbs[], const char *name, struct error **err)
{
        _cleanup_strv_ char **known = NULL;
        const char *nearest = nearest_verb(verbs, name, &known);
        _cleanup_free_ char *shown = str_one_line(name, 80);
        if (!nearest)
                return error_set(err, ERROR_CONFIG,
                                 "there is no verb '%s'; `orch --help` lists the verbs", shown);
        _cleanup_strv_ char **seconds = second_words(verbs, nearest);
        _cleanup_free_ char *choices = strv_join(seconds, "|");
        return error_set(
                err, ERROR_CONFIG,
                "there is no verb '%s'; did you mean `orch %s%s%s`? `orch --help` lists the verbs",
                shown, nearest, seconds ? " " : "", choices);
}

/* Reports the first word of two-word verbs that stands alone or before a word that completes no
 * verb. */
static int incomplete_verb(const struct verb verbs[], const char *group, const char *second,
                           struct error **err)
{
        _cleanup_strv_ char **seconds = second_words(verbs, group);
        _cleanup_free_ char *choices = strv_join(seconds, ", ");
        if (!second)
                return error_set(err, ERROR_CONFIG, "'orch %s' needs one more word: %s", group,
                                 choices);
        _cleanup_free_ char *shown = str_one_line(second, 80);
        const char *nearest = nearest_word(second, (const char *const *)seconds);
        if (nearest)
                return error_set(err, ERROR_CONFIG,
                                 "there is no verb '%s %s'; did you mean `orch %s %s`?", group,
                                 shown, group, nearest);
        return error_set(err, ERROR_CONFIG,
                         "there is no verb '%s %s'; '%s' is followed by one of: %s", group, shown,
                         group, choices);
}

static bool asks_for(int argc, char *argv[], const char *option)
{
        for (int i = 1; i < argc && !streq(argv[i], "--"); i++)
                if (streq(argv[i], option))
                        return true;
        return false;
}

static int run_verb(const struct verb *verb, const char *const argv[], struct error **err)
{
        _cleanup_options_ struct options options = { 0 };
        if (options_parse(cli_global_options, verb->manual->options, argv, &options, err) < 0)
                return error_prefix(err, "orch %s", verb->name);
        const struct verb_manual *manual = verb->manual;
        if (options.n_words < manual->min_words || options.n_words > manual->max_words)
                return error_set(err, ERROR_CONFIG,
                                 "usage: orch %s [options]%s%s; see `orch %s --help`", verb->name,
                                 *manual->arguments ? " " : "", manual->arguments, verb->name);
        int verbosity = options_has(&options, "verbose") ? 1
                        : options_has(&options, "quiet") ? -1
                                                         : 0;
        const char *config = options_get(&options, "config");
        struct cli cli = {
                .verb = verb,
                .options = &options,
                .config = config ? config : settings_default_path(),
                .json = options_has(&options, "json"),
                .verbosity = verbosity,
                .terminal = output_is_terminal(),
                .can_ask = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
                           !options_has(&options, "json"),
        };
        log_init(verbosity > 0   ? LOG_LEVEL_DEBUG
                 : verbosity < 0 ? LOG_LEVEL_ERROR
                                 : LOG_LEVEL_INFO);
        return verb->run(&cli, err);
}

static int print_help(char *owned_text)
{
        _cleanup_free_ char *text = owned_text;
        return cli_printed(output_text(text));
}

/* The indices of a verb's words in argv; `second` is argc for a verb of one word. */
struct verb_words {
        int first;
        int second;
        char *name; /* owned */
};

static void verb_words_done(struct verb_words *words)
{
        free(words->name);
}

static int find_words(const struct verb verbs[], int argc, char *argv[], struct verb_words *ret,
                      struct error **err)
{
        struct verb_words words = { .first = next_word(1, argc, argv, err), .second = argc };
        if (words.first < 0)
                return -1;
        bool group = words.first < argc && is_group(verbs, argv[words.first]);
        if (group) {
                words.second = next_word(words.first + 1, argc, argv, err);
                if (words.second < 0)
                        return -1;
        }
        if (words.second < argc)
                words.name = xasprintf("%s %s", argv[words.first], argv[words.second]);
        else if (words.first < argc)
                words.name = xstrdup(argv[words.first]);
        *ret = words;
        return 0;
}

static int dispatch_verb(const struct verb verbs[], int argc, char *argv[], struct error **err)
{
        _cleanup_(verb_words_done) struct verb_words words = { 0 };
        if (find_words(verbs, argc, argv, &words, err) < 0)
                return -1;
        bool help = asks_for(argc, argv, "--help") || asks_for(argc, argv, "-h");
        if (!words.name && help)
                return print_help(help_all(verbs, cli_global_options));
        if (asks_for(argc, argv, "--version"))
                return cli_printed(output_line("orch " ORCH_VERSION));
        if (!words.name)
                return error_set(err, ERROR_CONFIG,
                                 "a verb is missing; `orch --help` lists the verbs");

        const struct verb *verb = find_verb(verbs, words.name);
        if (verb && help && verb->needs != VERB_HIDDEN)
                return print_help(help_verb(verb, cli_global_options));
        const char *group = is_group(verbs, argv[words.first]) ? argv[words.first] : NULL;
        if (!verb && group && help)
                return print_help(help_group(verbs, group));
        if (!verb && group)
                return incomplete_verb(verbs, group,
                                       words.second < argc ? argv[words.second] : NULL, err);
        if (!verb)
                return unknown_verb(verbs, words.name, err);

        _cleanup_free_ const char **rest = xcalloc((size_t)argc + 1, sizeof *rest);
        size_t n = 0;
        for (int i = 1; i < argc; i++)
                if (i != words.first && i != words.second)
                        rest[n++] = argv[i];
        return run_verb(verb, rest, err);
}

int cli_main(const struct verb verbs[], int argc, char *argv[])
{
        _cleanup_error_ struct error *error = NULL;
        log_init(LOG_LEVEL_INFO);
        int status = dispatch_verb(verbs, argc, argv, &error);
        if (error)
                output_complain(error->message);
        if (status >= 0)
                return status;
        return error ? (int)cli_status_from_error(error) : STATUS_JOB_FAILED;
}
