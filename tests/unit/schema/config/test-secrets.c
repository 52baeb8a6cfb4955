/* secrets.conf, and that no message repeats what is in it. */
#include "schema/config/secrets.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

static char folder[] = "/tmp/orch-unit-secrets-XXXXXX";

static void make_folder(void)
{
        cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, folder, NULL), 0);
}

TestSuite(secrets, .init = make_folder, .fini = remove_folder);

static struct secrets *load(const char *text, mode_t mode, struct error **err)
{
        _cleanup_free_ char *path = path_join(folder, "secrets.conf");
        cr_assert_eq(fs_write_file(path, mode, text, strlen(text), NULL), 0);
        return secrets_load(folder, err);
}

static void expect_value(const struct secrets *secrets, const char *name, const char *value)
{
        _cleanup_(secret_freep) struct secret *secret = secrets_get(secrets, name);
        cr_assert_eq(secret != NULL, value != NULL, "%s", name);
        if (value)
                cr_expect_str_eq(secret_expose(secret), value, "%s", name);
}

Test(secrets, are_read_as_a_shell_would_without_expanding_anything)
{
        _cleanup_(secrets_freep) struct secrets *secrets =
                load("# comment\n"
                     "\n"
                     "PLAIN=abc/def+=\n"
                     "DOUBLE=\"a \\\"b\\\" \\$c \\\\ $HOME `id`\"  # said so\n"
                     "  SINGLE='it is \\\"raw\\\" # here'\r\n"
                     "EMPTY=\"\"\n"
                     "LAST=\"no newline\"",
                     0600, NULL);
        cr_assert_not_null(secrets);
        expect_value(secrets, "PLAIN", "abc/def+=");
        expect_value(secrets, "DOUBLE", "a \"b\" $c \\ $HOME `id`");
        expect_value(secrets, "SINGLE", "it is \\\"raw\\\" # here");
        expect_value(secrets, "EMPTY", NULL);
        expect_value(secrets, "LAST", "no newline");
        expect_value(secrets, "NOT_THERE", NULL);
}

Test(secrets, the_environment_wins_and_is_enough)
{
        _cleanup_(secrets_freep) struct secrets *secrets =
                load("WEBHOOK=\"from the file\"\nOTHER=\"file\"\n", 0400, NULL);
        setenv("WEBHOOK", "from the environment", 1);
        setenv("OTHER", "", 1);
        expect_value(secrets, "WEBHOOK", "from the environment");
        expect_value(secrets, "OTHER", "file");
        expect_value(NULL, "WEBHOOK", "from the environment");
}

Test(secrets, a_missing_file_is_an_empty_table)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(secrets_freep) struct secrets *secrets = secrets_load(folder, &error);
        cr_assert_not_null(secrets);
        cr_assert_null(error);
        expect_value(secrets, "ANYTHING", NULL);
}

Test(secrets, a_file_that_others_can_read_is_refused)
{
        static const mode_t modes[] = { 0644, 0640, 0604, 0660, 0601 };
        for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
                _cleanup_error_ struct error *error = NULL;
                cr_assert_null(load("A=\"hunter2\"\n", modes[i], &error));
                cr_assert_eq(error->kind, ERROR_CONFIG);
                cr_assert(strstr(error->message, "chmod 600"), "%s", error->message);
        }
}

Test(secrets, a_file_of_somebody_else_is_refused)
{
        if (geteuid() != 0)
                cr_skip("only root can make a file of somebody else");
        _cleanup_(secrets_freep) struct secrets *mine = load("A=\"hunter2\"\n", 0600, NULL);
        _cleanup_free_ char *path = path_join(folder, "secrets.conf");
        cr_assert_eq(chown(path, 12345, 12345), 0);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(secrets_load(folder, &error));
        cr_assert(strstr(error->message, "belongs to user 12345"), "%s", error->message);
}

Test(secrets, a_mistake_is_told_by_its_line_and_never_by_its_text)
{
        static const char *const lines[] = {
                "hunter2",
                "KEY = hunter2",
                "KEY=\"hunter2",
                "KEY='hunter2",
                "KEY=hunter2 hunter2",
                "KEY=\"hunter2\"hunter2",
                "KEY=$hunter2",
                "1KEY=hunter2",
                "export KEY=hunter2",
                "FIRST=hunter2",
                "KEY=\"hunter2\"#hunter2",
        };
        for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
                _cleanup_free_ char *text = xasprintf("FIRST=\"x\"\n%s\n", lines[i]);
                _cleanup_error_ struct error *error = NULL;
                cr_assert_null(load(text, 0600, &error), "%s", lines[i]);
                cr_assert_eq(error->kind, ERROR_CONFIG);
                cr_assert(strstr(error->message, "secrets.conf:2: "), "%s", error->message);
                cr_assert_null(strstr(error->message, "hunter2"), "%s", error->message);
        }
}

Test(secrets, what_is_no_text_file_or_too_large_is_refused)
{
        _cleanup_free_ char *path = path_join(folder, "secrets.conf");
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(fs_write_file(path, 0600, "A=\0B", 4, NULL), 0);
        cr_assert_null(secrets_load(folder, &error));
        error = error_free(error);
        _cleanup_free_ char *large = xcalloc(1, 65 * 1024);
        memset(large, '#', 65 * 1024);
        cr_assert_eq(fs_write_file(path, 0600, large, 65 * 1024, NULL), 0);
        cr_assert_null(secrets_load(folder, &error));
        cr_assert(strstr(error->message, "larger than"), "%s", error->message);
        error = error_free(error);
        unlink(path);
        cr_assert_eq(mkfifo(path, 0600), 0);
        cr_assert_null(secrets_load(folder, &error), "and does not wait for a writer");
}

Test(secrets, a_secret_is_a_copy)
{
        char password[] = "hunter2";
        _cleanup_(secret_freep) struct secret *secret = secret_new(password);
        memset(password, 'x', sizeof password - 1);
        cr_assert_str_eq(secret_expose(secret), "hunter2");
}
