/* Implements cli/help.h. */
#include "cli/help.h"

#include <string.h>

#include "base/strings.h"
#include "cli/terminal/table.h"

enum { OPTION_COLUMNS = 24 };

static const struct {
        enum exit_status status;
        const char *text;
} exits[] = {
        { STATUS_OK, "all good; there may be warnings" },
        { STATUS_JOB_FAILED, "a job failed, or what was asked for did not succeed" },
        { STATUS_USAGE, "wrong usage or configuration" },
        { STATUS_NO_DAEMON, "the daemon cannot be reached or went away: the state is unknown" },
        { STATUS_REFUSED, "refused: a cycle is running, orch is paused, the share is away, a lock "
                          "is held elsewhere, or a person has to decide" },
        { STATUS_CANCELLED, "cancelled" },
        { STATUS_INTERRUPTED, "the client was interrupted; the job goes on" },
};

static void add_verb_lines(struct strbuf *out, const struct verb verbs[], bool with_daemon)
{
        for (const struct verb *verb = verbs; verb->name; verb++) {
                if (verb->needs == VERB_HIDDEN ||
                    (verb->needs != VERB_NEEDS_NO_DAEMON) != with_daemon)
                        continue;
                strbuf_addf(out, "  %-20s %s%s\n", verb->name, verb->summary,
                            verb->needs == VERB_DAEMON_OR_STANDALONE
                                    ? " (--standalone: without the daemon)"
                                    : "");
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
                strbuf_addf(out, "  %s%*s %s%s\n", left.data,
                            width < OPTION_COLUMNS ? (int)(OPTION_COLUMNS - width) : 0, "",
                            table->help, table->repeatable ? " (may be repeated)" : "");
        }
}

char *help_all(const struct verb verbs[], const struct option_spec globals[])
{
        struct strbuf out = { 0 };
        strbuf_add(&out, "orch backs up the virtual machines of KVM hypervisors to a share.\n"
                         "\n"
                         "usage: orch VERB [options] [arguments]\n"
                         "\n"
                         "verbs that ask the daemon:\n");
        add_verb_lines(&out, verbs, true);
        strbuf_add(&out, "\nverbs that need no daemon:\n");
        add_verb_lines(&out, verbs, false);
        strbuf_add(&out, "\noptions of every verb:\n");
        add_options(&out, globals);
        strbuf_add(&out, "\n`orch VERB --help` tells more of a verb; orch(1) tells all.\n");
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
                return "Asks the daemon (`orch daemon`), which has to run.";
        case VERB_DAEMON_OR_STANDALONE:
                return "Asks the daemon (`orch daemon`), unless --standalone is given.";
        case VERB_NEEDS_NO_DAEMON:
        case VERB_HIDDEN:
                break;
        }
        return "Needs no daemon.";
}

char *help_verb(const struct verb *verb, const struct option_spec globals[])
{
        struct strbuf out = { 0 };
        const struct verb_manual *manual = verb->manual;
        strbuf_addf(&out, "usage: orch %s [options]%s%s\n\n%s\n%s\n", verb->name,
                    *manual->arguments ? " " : "", manual->arguments, manual->text,
                    needs_sentence(verb->needs));
        if (manual->options && manual->options->name) {
                strbuf_add(&out, "\noptions:\n");
                add_options(&out, manual->options);
        }
        strbuf_add(&out, "\noptions of every verb:\n");
        add_options(&out, globals);
        strbuf_add(&out, "\nexit status:\n");
        unsigned listed = manual->exits | MANUAL_EXIT(STATUS_OK) | MANUAL_EXIT(STATUS_USAGE);
        for (size_t i = 0; i < ARRAY_LENGTH(exits); i++)
                if (listed & MANUAL_EXIT(exits[i].status))
                        strbuf_addf(&out, "  %3d  %s\n", (int)exits[i].status, exits[i].text);
        strbuf_addf(&out, "\nexample:\n  %s\n", manual->example);
        return strbuf_take(&out);
}
