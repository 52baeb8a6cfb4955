/* Implements fixture.h. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"

char *folder;

void make_folder(void)
{
        signal(SIGPIPE, SIG_IGN); /* as in every process of orch */
        char template[] = "/tmp/orch-notify-XXXXXX";
        cr_assert(mkdtemp(template));
        folder = xstrdup(template);
        cr_assert_eq(clock_set_timezone("Europe/Berlin", NULL), 0);
}

void remove_folder(void)
{
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, folder, NULL), 0);
        free(folder);
}

struct notice *make_notice(const char *title)
{
        struct notice *notice = notice_new("test", NOTICE_FAILURE, 1770000000, "%s", title);
        notice_add_fact(notice, "vm", "VM", "web-01");
        notice_add_part(notice, "What failed", true, "it did");
        return notice;
}

char *read_file(const char *name)
{
        _cleanup_free_ char *path = path_join(folder, name);
        return fs_read_file(path, 1 << 20, NULL, NULL);
}

void write_file(const char *name, const char *text)
{
        _cleanup_free_ char *path = path_join(folder, name);
        cr_assert_eq(fs_write_file(path, 0640, text, strlen(text), NULL), 0);
}
