/* Implements cli/help.h. Texts are wrapped here and not where they are written, so that a manual is
 * plain sentences. */
#include "cli/help.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/table.h"

enum { HELP_COLUMNS = 80, OPTION_COLUMNS = 24, OPTION_TEXT_COLUMN = 27, EXIT_TEXT_COLUMN = 7 };

static const struct {
        enum exit_status status;
        const char *text;
} exits[] = {
        { STATUS_OK, "success; there may be warnings" },
        { STATUS_JOB_FAILED, "a job failed, or the requested action did not succeed" },
        { STATUS_USAGE, "wrong usage or configuration" },
        { STATUS_NO_DAEMON,
          "the daemon cannot be reached or stopped answering: the state is unknown" },
        { STATUS_REFUSED, "refused: a cycle is running, orch is paused, the share is unavailable, "
                          "a lock is held elsewhere, or an operator has to decide" },
        { STATUS_CANCELLED, "cancelled" },
        { STATUS_INTERRUPTED, "the client was interrupted; the job continues" },
};

/* Adds the text, wrapped at HELP_COLUMNS. The first line continues what `out` ends with, at column
 * `indent`; the following lines are indented to it. A newline in the text is kept. */
static void add_wrapped(struct strbuf *out, const char *text, size_t indent)
{
        size_t column = indent;
        for (const char *rest = text; *rest;) {
                _cleanup_free_ char *word = xstrndup(rest, strcspn(rest, " \n"));
                size_t width = table_text_width(word);
                if (column > indent && column + 1 + width > HELP_COLUMNS) {
                        strbuf_addf(out, "\n%*s", (int)indent, "");
                        column = indent;
                } else if (column > indent) {
                        strbuf_add_char(out, ' ');
                        column++;
                }
                strbuf_add(out, word);
                column += width;
                rest += strlen(word);
                if (*rest == '\n') {
                        strbuf_add_char(out, '\n');
                        column = indent;
                }
                rest += *rest != '\0';
        }
        strbuf_add_char(out, '\n');
}

static void add_verb_lines(struct strbuf *out, const struct verb verbs[], bool with_daemon)
{
        for (const struct verb *verb = verbs; verb->name; verb++) {
                if (verb->needs == VERB_HIDDEN ||
                    (verb->needs != VERB_NEEDS_NO_DAEMON) != with_daemon)
                        continue;
                strbuf_addf(out, "  %-20s %s%s\n", verb->name, verb->summary,
                            verb->needs == VERB_DAEMON_OR_STANDALONE ? " (*)" : "");
        }
}

static void add_options(struct strbuf *out, const struct option_spec *table)
{
        for (; table && table->name; table++) {
                _cleanup_strbuf_ struct strbuf left = { 0 };
                if (table->letter)
                        strbuf_addf(&left, "-%c, ", table->letter);
                strbuf_addf(&left, "--%s%s%s", table->name, table->value ? " " : "",
                            table->value ? table->value : "");
                size_t width = table_text_width(left.data);
                strbuf_addf(out, "  %s%*s ", left.data,
                            width < OPTION_COLUMNS ? (int)(OPTION_COLUMNS - width) : 0, "");
                _cleanup_free_ char *help = xasprintf(
                        "%s%s", table->help, table->repeatable ? " (may be repeated)" : "");
                add_wrapped(out, help, OPTION_TEXT_COLUMN);
        }
}

char *help_all(const struct verb verbs[], const struct option_spec globals[])
{
        struct strbuf out = { 0 };
        strbuf_add(&out, "orch backs up the virtual machines of KVM hypervisors to a share.\n"
                         "\n"
                         "usage: orch VERB [options] [arguments]\n"
                         "\n"
                         "verbs that need the daemon:\n");
        add_verb_lines(&out, verbs, true);
        strbuf_add(&out, "(*) or with --standalone: without the daemon\n");
        strbuf_add(&out, "\nverbs that need no daemon:\n");
        add_verb_lines(&out, verbs, false);
        strbuf_add(&out, "\noptions of every verb:\n");
        add_options(&out, globals);
        strbuf_add(&out,
                   "\nRun `orch VERB --help` for the options of a verb; the manual is orch(1).\n");
        return strbuf_take(&out);
}

char *help_group(const struct verb verbs[], const char *group)
{
        struct strbuf out = { 0 };
        size_t length = strlen(group);
        strbuf_addf(&out, "usage: orch %s VERB [options] [arguments]\n\n", group);
        for (const struct verb *verb = verbs; verb->name; verb++)
                if (str_starts_with(verb->name, group) && verb->name[length] == ' ')
                        strbuf_addf(&out, "  %-20s %s\n", verb->name, verb->summary);
        return strbuf_take(&out);
}

static const char *needs_sentence(enum verb_needs needs)
{
        switch (needs) {
        case VERB_NEEDS_DAEMON:
                return "The daemon (`orch daemon`) has to be running.";
        case VERB_DAEMON_OR_STANDALONE:
                return "The daemon (`orch daemon`) has to be running, unless --standalone is "
                       "given.";
        case VERB_NEEDS_NO_DAEMON:
        case VERB_HIDDEN:
                break;
        }
        return "This needs no daemon.";
}

char *help_verb(const struct verb *verb, const struct option_spec globals[])
{
        struct strbuf out = { 0 };
        const struct verb_manual *manual = verb->manual;
        strbuf_addf(&out, "usage: orch %s [options]%s%s\n\n", verb->name,
                    *manual->arguments ? " " : "", manual->arguments);
        add_wrapped(&out, manual->text, 0);
        add_wrapped(&out, needs_sentence(verb->needs), 0);
        if (manual->options && manual->options->name) {
                strbuf_add(&out, "\noptions:\n");
                add_options(&out, manual->options);
        }
        strbuf_add(&out, "\noptions of every verb:\n");
        add_options(&out, globals);
        strbuf_add(&out, "\nexit status:\n");
        unsigned listed = manual->exits | MANUAL_EXIT(STATUS_OK) | MANUAL_EXIT(STATUS_USAGE);
        for (size_t i = 0; i < ARRAY_LENGTH(exits); i++)
                if (listed & MANUAL_EXIT(exits[i].status)) {
                        strbuf_addf(&out, "  %3d  ", (int)exits[i].status);
                        add_wrapped(&out, exits[i].text, EXIT_TEXT_COLUMN);
                }
        strbuf_addf(&out, "\nexample:\n  %s\n", manual->example);
        return strbuf_take(&out);
}
