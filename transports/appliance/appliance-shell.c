/* Implements transports/appliance/appliance-shell.h.
 *
 * The difficulty is to find the end of an output: a configuration may contain lines that look like
 * the prompt, and a slow link may pause anywhere. So a prompt alone is not proof. When one is seen,
 * an empty line is typed, and only a second prompt immediately after the first one is the end. If
 * the first one were part of the output, the rest of the output would come between them. */
#include "transports/appliance/appliance-shell.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/appliance/appliance-terminal.h"
#include "transports/appliance/appliance-text.h"

enum { MAX_TIMES_ASKED = 2, MAX_ANSWERS = 10, MAX_CANDIDATES = 10, LONGEST_SHOWN = 120 };

struct appliance_shell {
        const struct appliance_options *options;
        struct appliance_terminal *terminal;
        char *prompt; /* without trailing blanks */
};

static bool prompt_matches(const char *pattern, const char *line)
{
        _cleanup_line_patterns_ struct line_patterns patterns;
        line_patterns_init_one(&patterns, pattern);
        return line_patterns_match(&patterns, line, strlen(line));
}

/* The questions answered in one step. */
struct answered {
        unsigned count;
        size_t length; /* how much was shown then, so that the same question is not answered twice
                        */
};

/* Answers a question of the profile in the last line. 1 answered, 0 no question, -1 error. */
static int answer_question(struct appliance_shell *shell, const char *last_line,
                           struct answered *answered, struct error **err)
{
        const struct appliance_profile *profile = shell->options->profile;
        size_t length;
        (void)appliance_terminal_shown(shell->terminal, &length);
        if (answered->count && answered->length == length)
                return 1;
        answered->length = length;
        for (size_t i = 0; i < profile->n_answers; i++) {
                if (!prompt_matches(profile->answers[i].ask, last_line))
                        continue;
                if (++answered->count > MAX_ANSWERS)
                        return error_set(err, ERROR_REFUSED,
                                         "the appliance repeats its question: %s", last_line);
                return appliance_terminal_type(shell->terminal, profile->answers[i].answer, false,
                                               err) < 0
                               ? -1
                               : 1;
        }
        return 0;
}

/* The state while a prompt is expected: after the login, or after `enable`. */
struct arrival {
        struct appliance_shell *shell;
        const struct secret *password;
        const char *what_password; /* for messages */
        const char *must_match;    /* a pattern for the prompt, or NULL */
        unsigned password_asked;
        unsigned username_asked;
        struct answered answered;
        unsigned candidates;
        bool woken;
        char *candidate;
};

static int give_password(struct arrival *arrival, struct error **err)
{
        if (++arrival->password_asked > MAX_TIMES_ASKED)
                return error_set(err, ERROR_AUTH,
                                 "%s was not accepted: the appliance repeats its question",
                                 arrival->what_password);
        return appliance_terminal_type(arrival->shell->terminal,
                                       arrival->password ? secret_expose(arrival->password) : "",
                                       true, err);
}

static int give_name(struct arrival *arrival, struct error **err)
{
        if (++arrival->username_asked > MAX_TIMES_ASKED)
                return error_set(err, ERROR_AUTH,
                                 "the login as %s was not accepted: the appliance repeats its "
                                 "question for the name",
                                 arrival->shell->options->target.user);
        return appliance_terminal_type(arrival->shell->terminal,
                                       arrival->shell->options->target.user, true, err);
}

/* If the same line comes again after an empty line, it is the prompt. */
static int judge_prompt(struct arrival *arrival, const char *line, struct error **err)
{
        if (streq(arrival->candidate, line)) {
                if (arrival->must_match && !prompt_matches(arrival->must_match, line))
                        return error_set(
                                err, ERROR_AUTH,
                                "the appliance did not enter enable mode: its prompt is still %s",
                                line);
                xstrdup_replace(&arrival->shell->prompt, line);
                return 1;
        }
        if (++arrival->candidates > MAX_CANDIDATES)
                return error_set(err, ERROR_CORRUPT,
                                 "the appliance's prompt changes with each line; it is now: %s",
                                 line);
        xstrdup_replace(&arrival->candidate, line);
        return appliance_terminal_type(arrival->shell->terminal, "", true, err);
}

static int look_for_arrival(struct appliance_terminal *terminal, void *data, struct error **err)
{
        struct arrival *arrival = data;
        const struct appliance_profile *profile = arrival->shell->options->profile;
        _cleanup_free_ char *line = appliance_terminal_last_line(terminal);
        size_t length;
        (void)appliance_terminal_shown(terminal, &length);
        if (!length && !arrival->woken) {
                arrival->woken = true; /* some appliances print nothing before a key is pressed */
                return appliance_terminal_type(terminal, "", false, err);
        }
        arrival->woken = true;
        if (!*line)
                return 0;
        if (prompt_matches(profile->password_prompt, line))
                return give_password(arrival, err);
        if (prompt_matches(profile->username_prompt, line))
                return give_name(arrival, err);
        int answered = answer_question(arrival->shell, line, &arrival->answered, err);
        if (answered != 0)
                return answered < 0 ? -1 : 0;
        /* A pattern may include the blank after a prompt. */
        _cleanup_free_ char *with_blank = xasprintf("%s ", line);
        return prompt_matches(profile->prompt, line) || prompt_matches(profile->prompt, with_blank)
                       ? judge_prompt(arrival, line, err)
                       : 0;
}

static int arrive_at_prompt(struct arrival *arrival, const char *step, struct error **err)
{
        struct appliance_terminal *terminal = arrival->shell->terminal;
        _cleanup_error_ struct error *error = NULL;
        int r = appliance_terminal_wait(terminal, step, look_for_arrival, arrival, &error);
        free(arrival->candidate);
        if (r == 0)
                return 0;
        _cleanup_free_ char *line = appliance_terminal_last_line(terminal);
        _cleanup_free_ char *shown = str_one_line(line, LONGEST_SHOWN);
        bool tell = error->kind == ERROR_TIMEOUT && *shown;
        error_propagate(err, TAKE_PTR(error));
        if (tell && err) {
                _cleanup_free_ char *message = TAKE_PTR((*err)->message);
                (*err)->message = xasprintf("%s; the last line is: %s", message, shown);
        }
        return -1;
}

static int enter_enable_mode(struct appliance_shell *shell, struct error **err)
{
        const struct appliance_profile *profile = shell->options->profile;
        if (!profile->enable_command || prompt_matches(profile->enable_prompt, shell->prompt))
                return 0;
        struct arrival arrival = {
                .shell = shell,
                .password = shell->options->enable_password,
                .what_password =
                        shell->options->enable_password
                                ? "the enable password"
                                : "an empty enable password (enable_password_env names none)",
                .must_match = profile->enable_prompt,
                .woken = true,
        };
        if (appliance_terminal_type(shell->terminal, profile->enable_command, true, err) < 0)
                return -1;
        return arrive_at_prompt(&arrival, "entering enable mode", err);
}

/* A running command. */
struct run {
        struct appliance_shell *shell;
        const char *command;
        struct answered answered;
        bool probed;
        size_t output_end; /* end of the output, including the first prompt */
};

static bool ends_with_prompt(const struct appliance_shell *shell, const char *line)
{
        return str_ends_with(line, shell->prompt);
}

/* Whether the line before the last one also ends with the prompt; then *ret_end is the end of that
 * line. */
static bool has_second_prompt(const struct appliance_shell *shell, size_t *ret_end)
{
        size_t length;
        const char *shown = appliance_terminal_shown(shell->terminal, &length);
        const char *newline = memrchr(shown, '\n', length);
        if (!newline)
                return false;
        size_t end = (size_t)(newline - shown);
        const char *before = memrchr(shown, '\n', end);
        const char *start = before ? before + 1 : shown;
        _cleanup_strbuf_ struct strbuf line = { 0 };
        appliance_text_clean(start, (size_t)(shown + end - start), &line);
        while (line.length && line.data[line.length - 1] == ' ')
                line.data[--line.length] = '\0';
        *ret_end = end;
        return line.data && ends_with_prompt(shell, line.data);
}

static int look_for_end(struct appliance_terminal *terminal, void *data, struct error **err)
{
        struct run *run = data;
        const struct appliance_profile *profile = run->shell->options->profile;
        _cleanup_free_ char *line = appliance_terminal_last_line(terminal);
        const char *mark = appliance_text_pager_mark(profile, line, strlen(line));
        if (mark)
                return error_set(err, ERROR_CORRUPT,
                                 "the appliance pages the output of '%s' (%s), although paging was "
                                 "switched off",
                                 run->command, mark);
        int answered = answer_question(run->shell, line, &run->answered, err);
        if (answered != 0)
                return answered < 0 ? -1 : 0;
        if (!ends_with_prompt(run->shell, line))
                return 0;
        if (run->probed)
                return streq(line, run->shell->prompt) &&
                       has_second_prompt(run->shell, &run->output_end);
        run->probed = true;
        return appliance_terminal_type(terminal, "", false, err);
}

/* Extracts the output from what is shown up to the prompt. */
static char *take_shell_output(const struct run *run)
{
        size_t length;
        const char *shown = appliance_terminal_shown(run->shell->terminal, &length);
        _cleanup_strbuf_ struct strbuf text = { 0 };
        appliance_text_clean(shown, run->output_end, &text);
        while (text.length && text.data[text.length - 1] == ' ')
                text.data[--text.length] = '\0';
        /* has_second_prompt() has checked this: cleaning a line does not depend on other lines. */
        assert(str_ends_with(text.data, run->shell->prompt));
        text.length -= strlen(run->shell->prompt);
        text.data[text.length] = '\0';
        return xstrdup(text.data +
                       appliance_text_echo_length(text.data, run->shell->prompt, run->command));
}

int appliance_shell_run(struct appliance_shell *shell, const char *command, char **ret_output,
                        struct error **err)
{
        struct run run = { .shell = shell, .command = command };
        _cleanup_free_ char *step = xasprintf("'%s'", command);
        if (appliance_terminal_type(shell->terminal, command, true, err) < 0 ||
            appliance_terminal_wait(shell->terminal, step, look_for_end, &run, err) < 0) {
                error_prefix(err, "%s", shell->options->target.address);
                return -1;
        }
        const char *mark = appliance_text_pager_mark(
                shell->options->profile, appliance_terminal_shown(shell->terminal, &(size_t){ 0 }),
                run.output_end);
        if (mark) {
                error_set(err, ERROR_CORRUPT, "the output of '%s' was paged: it contains %s",
                          command, mark);
                error_prefix(err, "%s", shell->options->target.address);
                return -1;
        }
        *ret_output = take_shell_output(&run);
        return 0;
}

static int login_refused(const struct appliance_shell *shell, const char *command, const char *said,
                         struct error **err)
{
        _cleanup_free_ char *shown = str_one_line(said, LONGEST_SHOWN);
        error_set(err, ERROR_REFUSED, "the appliance does not accept '%s': %s", command,
                  *shown ? shown : "it printed nothing");
        return error_prefix(err, "%s", shell->options->target.address);
}

static int prepare_shell(struct appliance_shell *shell, struct error **err)
{
        const struct appliance_profile *profile = shell->options->profile;
        for (size_t i = 0; profile->setup && profile->setup[i]; i++) {
                _cleanup_free_ char *output = NULL;
                if (appliance_shell_run(shell, profile->setup[i], &output, err) < 0)
                        return -1;
                _cleanup_free_ char *refusal = appliance_text_refusal(profile, output);
                if (refusal)
                        return login_refused(shell, profile->setup[i], refusal, err);
        }
        return 0;
}

/* The last line of an answer that is not blank. The caller frees. */
static char *last_telling_line(const char *text)
{
        size_t length = strlen(text);
        while (length && strchr(" \t\n", text[length - 1]))
                length--;
        const char *newline = memrchr(text, '\n', length);
        const char *start = newline ? newline + 1 : text;
        return xstrndup(start, (size_t)(text + length - start));
}

int appliance_shell_save(struct appliance_shell *shell, struct error **err)
{
        const struct appliance_profile *profile = shell->options->profile;
        if (!profile->save_command)
                return 0;
        _cleanup_free_ char *output = NULL;
        if (appliance_shell_run(shell, profile->save_command, &output, err) < 0)
                return -1;
        _cleanup_free_ char *refusal = appliance_text_refusal(profile, output);
        if (!refusal &&
            (!profile->save_expect || appliance_text_has_line(output, profile->save_expect)))
                return 0;
        _cleanup_free_ char *said = refusal ? TAKE_PTR(refusal) : last_telling_line(output);
        return login_refused(shell, profile->save_command, said, err);
}

int appliance_shell_capture(struct appliance_shell *shell, const struct appliance_capture *capture,
                            char **ret_text, struct error **err)
{
        _cleanup_free_ char *text = NULL;
        if (appliance_shell_run(shell, capture->command, &text, err) < 0)
                return -1;
        if (appliance_text_validate(shell->options->profile, capture, text, err) < 0)
                return error_prefix(err, "%s: '%s'", shell->options->target.address,
                                    capture->command);
        *ret_text = TAKE_PTR(text);
        return 0;
}

static int log_in_to_shell(struct appliance_shell *shell, struct error **err)
{
        static const char *const endings[] = { [APPLIANCE_SENDS_CR] = "\r",
                                               [APPLIANCE_SENDS_LF] = "\n",
                                               [APPLIANCE_SENDS_CRLF] = "\r\n" };
        const struct appliance_options *options = shell->options;
        struct ssh_connection *connection =
                ssh_connection_open(&options->target, options->timeout_ms, err);
        if (!connection)
                return -1;
        struct appliance_terminal_options terminal = {
                .silence_ms = options->timeout_ms,
                .cancelled = options->cancelled,
                .data = options->data,
                .line_ending = endings[options->profile->line_ending],
        };
        struct arrival arrival = { .shell = shell,
                                   .password = options->target.password,
                                   .what_password = "the password of its login prompt" };
        shell->terminal = appliance_terminal_open(connection, &terminal, err);
        if (!shell->terminal || arrive_at_prompt(&arrival, "the login", err) < 0 ||
            enter_enable_mode(shell, err) < 0)
                return error_prefix(err, "%s", options->target.address);
        return 0;
}

struct appliance_shell *appliance_shell_open(const struct appliance_options *options,
                                             struct error **err)
{
        _cleanup_(appliance_shell_freep) struct appliance_shell *shell = xcalloc(1, sizeof *shell);
        shell->options = options;
        return log_in_to_shell(shell, err) < 0 || prepare_shell(shell, err) < 0 ? NULL
                                                                                : TAKE_PTR(shell);
}

const char *appliance_shell_prompt(const struct appliance_shell *shell)
{
        return shell->prompt;
}

struct appliance_shell *appliance_shell_free(struct appliance_shell *shell)
{
        if (!shell)
                return NULL;
        if (shell->terminal && shell->prompt && shell->options->profile->logout)
                appliance_terminal_leave(shell->terminal, shell->options->profile->logout);
        appliance_terminal_free(shell->terminal);
        free(shell->prompt);
        free(shell);
        return NULL;
}
