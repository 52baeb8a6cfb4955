/* GET /metrics against the text format 0.0.4, by a parser that takes nothing else. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "rig.h"

struct family {
        char name[128];
        bool typed;
        bool counter;
};

static const char *name_end(const char *text)
{
        cr_assert(isalpha((unsigned char)*text) || *text == '_', "no name: %s", text);
        while (isalnum((unsigned char)*text) || *text == '_')
                text++;
        return text;
}

/* {vm="a",status="ok"} */
static const char *labels_end(const char *text)
{
        while (*text++ != '}') {
                text = name_end(text);
                cr_assert(text[0] == '=' && text[1] == '"', "no value: %s", text);
                for (text += 2; *text != '"'; text++) {
                        cr_assert(*text && *text != '\n', "a label's value does not end");
                        if (*text == '\\') {
                                text++;
                                cr_assert(*text == '\\' || *text == '"' || *text == 'n',
                                          "no escape: \\%c", *text);
                        }
                }
                text++;
                cr_assert(*text == ',' || *text == '}', "after a label: %s", text);
        }
        return text;
}

static void check_sample(const char *line, const struct family *family, char ***seen)
{
        const char *end = name_end(line);
        cr_assert(family->typed && strlen(family->name) == (size_t)(end - line) &&
                          strncmp(line, family->name, (size_t)(end - line)) == 0,
                  "%s is not below its own TYPE (%s)", line, family->name);
        if (*end == '{')
                end = labels_end(end);
        _cleanup_free_ char *what = xstrndup(line, (size_t)(end - line));
        cr_assert_not(strv_contains(*seen, what), "%s stands twice", what);
        strv_add(seen, what);
        cr_assert_eq(*end, ' ', "%s", line);
        char *rest = NULL;
        (void)strtod(end + 1, &rest);
        cr_assert(rest > end + 1 && *rest == '\0', "no number: %s", line);
        cr_assert(!family->counter || str_ends_with(family->name, "_total"), "%s is a counter",
                  family->name);
}

static void begin_family(const char *line, struct family *family, char ***names)
{
        const char *end = name_end(line);
        _cleanup_free_ char *name = xstrndup(line, (size_t)(end - line));
        cr_assert_not(strv_contains(*names, name), "%s has two groups", name);
        strv_add(names, name);
        cr_assert(*end == ' ' && end[1], "no help: %s", line);
        snprintf(family->name, sizeof family->name, "%s", name);
        family->typed = false;
}

static void check_type(const char *line, struct family *family)
{
        const char *end = name_end(line);
        cr_assert(strncmp(line, family->name, (size_t)(end - line)) == 0,
                  "the TYPE of another than the HELP: %s", line);
        cr_assert(streq(end, " gauge") || streq(end, " counter"), "%s", line);
        family->counter = streq(end, " counter");
        family->typed = true;
}

/* Every line has to be of the format; the names are those of the groups that it has. */
static char **parse(char *text)
{
        char **names = NULL;
        _cleanup_strv_ char **seen = NULL;
        struct family family = { 0 };
        cr_assert(str_ends_with(text, "\n"), "the last line has to end, too");
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                if (str_starts_with(line, "# HELP "))
                        begin_family(line + 7, &family, &names);
                else if (str_starts_with(line, "# TYPE "))
                        check_type(line + 7, &family);
                else
                        check_sample(line, &family, &seen);
        }
        return names;
}

/* The body of GET /metrics; the caller frees. */
static char *get_metrics(struct rig *rig)
{
        struct call call;
        call_open(rig, &call, "GET", "/metrics", NULL);
        struct strbuf all = { 0 };
        char chunk[4096];
        for (ssize_t n; (n = read(call.fd, chunk, sizeof chunk)) > 0;)
                strbuf_append(&all, chunk, (size_t)n);
        call_close(&call);
        char *body = strstr(all.data, "\r\n\r\n");
        cr_assert(strstr(all.data, "text/plain; version=0.0.4"), "%s", all.data);
        char *text = xstrdup(body + 4);
        strbuf_done(&all);
        return text;
}

static double value_of(const char *text, const char *what)
{
        _cleanup_free_ char *key = xasprintf("\n%s ", what);
        const char *at = strstr(text, key);
        cr_assert(at, "no %s in %s", what, text);
        return strtod(at + strlen(key), NULL);
}

Test(metrics, are_valid_and_tell_what_is_to_be_watched)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", "wrong-2", "rotten-3", NULL });
        _cleanup_free_ char *empty = get_metrics(&rig);
        char **names = parse(empty);
        cr_expect(strv_contains(names, "orch_up") && strv_contains(names, "orch_queue_length"));
        strv_free(names);

        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        cr_assert_eq(call_finish(&call, 30000), 1);
        call_open(&rig, &call, "POST", "/v1/verify", "{\"vms\":[\"rotten-3\"]}");
        cr_assert_eq(call_finish(&call, 30000), 1);
        _cleanup_free_ char *text = get_metrics(&rig);
        cr_expect_eq(value_of(text, "orch_vm_points{vm=\"ok-1\",status=\"ok\"}"), 1);
        cr_expect_eq(value_of(text, "orch_vm_points{vm=\"rotten-3\",status=\"damaged\"}"), 1);
        cr_expect_eq(value_of(text, "orch_vm_points{vm=\"rotten-3\",status=\"ok\"}"), 0);
        cr_expect_eq(value_of(text, "orch_vm_last_failed{vm=\"wrong-2\"}"), 1);
        cr_expect_eq(value_of(text, "orch_vm_last_failed{vm=\"ok-1\"}"), 0);
        cr_expect_eq(value_of(text, "orch_vm_freeze_seconds{vm=\"ok-1\"}"), 0.041);
        cr_expect_eq(value_of(text, "orch_failures_total{kind=\"refused\"}"), 1);
        cr_expect_eq(value_of(text, "orch_failures_total{kind=\"corrupt\"}"), 1);
        static const char *const ages[] = { "orch_vm_last_success_age_seconds{vm=\"ok-1\"}",
                                            "orch_vm_unproven_age_seconds{vm=\"ok-1\"}",
                                            "orch_vm_verified_age_seconds{vm=\"ok-1\"}" };
        for (size_t i = 0; i < ARRAY_LENGTH(ages); i++) {
                double age = value_of(text, ages[i]);
                cr_expect(age >= 0 && age < 120, "%s %g", ages[i], age);
        }
        cr_expect(value_of(text, "orch_repository_free_bytes") > 0);
        cr_expect_null(strstr(text, "orch_vm_last_success_timestamp_seconds{vm=\"rotten-3\"}"),
                       "it has no good point");
        names = parse(text);
        strv_free(names);
        rig_end(&rig);
}

/* What retention took, and the point that it made room for. */
Test(metrics, points_are_counted_also_after_a_backup_that_removed_one)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "pruning-1", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"pruning-1\"]}"), 0);
        sleep(1);
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"pruning-1\"]}"), 0);
        json_t *points = rig_get(&rig, "/v1/points");
        cr_expect_eq(json_array_size(points), 1);
        json_decref(points);
        _cleanup_free_ char *text = get_metrics(&rig);
        cr_expect_eq(value_of(text, "orch_vm_points{vm=\"pruning-1\",status=\"ok\"}"), 1);
        rig_end(&rig);
}
