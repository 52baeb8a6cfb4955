/* A line of the log in each form, caught where it goes. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"

static const struct log_context about = { .job = "20261120-3f9a", .vm = "prod-db-01" };

/* What `say` writes to stderr; the caller frees. */
static char *captured(void (*say)(void))
{
        int pipe_fds[2];
        int before = dup(STDERR_FILENO);
        cr_assert_eq(pipe(pipe_fds), 0);
        dup2(pipe_fds[1], STDERR_FILENO);
        close(pipe_fds[1]);
        say();
        dup2(before, STDERR_FILENO);
        close(before);
        struct strbuf text = { 0 };
        char chunk[4096];
        for (ssize_t n; (n = read(pipe_fds[0], chunk, sizeof chunk)) > 0;)
                strbuf_append(&text, chunk, (size_t)n);
        close(pipe_fds[0]);
        return strbuf_take(&text);
}

static void say_both(void)
{
        log_warning("a \"quoted\"\nline with \\ and \xff");
        log_write_about(LOG_LEVEL_ERROR, &about, "backup failed");
        log_debug("too much detail");
}

Test(log, is_text_for_a_person)
{
        unsetenv("JOURNAL_STREAM");
        log_init(LOG_LEVEL_INFO);
        _cleanup_free_ char *text = captured(say_both);
        cr_expect_str_eq(
                text,
                "warning: a \"quoted\" line with \\ and \xef\xbf\xbd\nerror: backup failed\n");
}

Test(log, is_a_json_object_a_line_by_choice)
{
        log_init(LOG_LEVEL_INFO);
        log_set_format(LOG_FORMAT_JSON);
        _cleanup_free_ char *text = captured(say_both);
        char *second = strchr(text, '\n');
        cr_assert(second);
        *second++ = '\0';
        cr_expect(str_starts_with(text, "{\"time\":\"20"), "%s", text);
        cr_expect_str_eq(strstr(text, "Z\",") + 3,
                         "\"level\":\"warning\",\"message\":\"a \\\"quoted\\\" line with \\\\ and "
                         "\xef\xbf\xbd\"}");
        cr_expect_str_eq(strstr(second, "Z\",") + 3,
                         "\"level\":\"error\",\"job\":\"20261120-3f9a\",\"vm\":\"prod-db-01\","
                         "\"message\":\"backup failed\"}\n");
}

Test(log, goes_to_the_journal_with_fields)
{
        char folder[] = "/tmp/orch-log-test-XXXXXX";
        cr_assert(mkdtemp(folder));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        setenv("ORCH_JOURNAL_SOCKET", address.sun_path, 1);
        log_init(LOG_LEVEL_INFO);
        log_set_format(LOG_FORMAT_JOURNAL);
        _cleanup_free_ char *stderr_text = captured(say_both);
        cr_expect_str_eq(stderr_text, "");
        char got[2][1024] = { "", "" };
        for (int i = 0; i < 2; i++)
                cr_assert_gt(recv(fd, got[i], sizeof got[i] - 1, MSG_DONTWAIT), 0);
        cr_expect(str_starts_with(got[0], "MESSAGE=a \"quoted\" line with \\ and "), "%s", got[0]);
        cr_expect(strstr(got[0], "\nPRIORITY=4\nSYSLOG_IDENTIFIER=orch\n"), "%s", got[0]);
        cr_expect_null(strstr(got[0], "ORCH_"));
        cr_expect(strstr(got[1], "\nORCH_JOB=20261120-3f9a\nORCH_VM=prod-db-01\n"), "%s", got[1]);

        /* journald has gone: nothing is lost. */
        close(fd);
        _cleanup_free_ char *text = captured(say_both);
        cr_expect(str_ends_with(text, "<3>backup failed\n"), "%s", text);
        unlink(address.sun_path);
        rmdir(folder);
}

Test(log, without_a_journal_lines_have_their_priority)
{
        setenv("ORCH_JOURNAL_SOCKET", "/nonexistent/socket", 1);
        log_init(LOG_LEVEL_INFO);
        log_set_format(LOG_FORMAT_JOURNAL);
        _cleanup_free_ char *text = captured(say_both);
        cr_expect(str_starts_with(text, "<4>a "), "%s", text);
        cr_expect(str_ends_with(text, "<3>backup failed\n"), "%s", text);
}
