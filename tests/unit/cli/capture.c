/* Implements capture.h: stdout and stderr are files meanwhile. */
#include "capture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"

static int redirect(int fd, int *ret_saved)
{
        int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        cr_assert_geq(file, 0);
        *ret_saved = dup(fd);
        cr_assert_geq(dup2(file, fd), 0);
        return file;
}

static char *restore(int fd, int saved, int file)
{
        dup2(saved, fd);
        close(saved);
        off_t length = lseek(file, 0, SEEK_END);
        char *text = xcalloc((size_t)length + 1, 1);
        cr_assert_eq(pread(file, text, (size_t)length, 0), length);
        close(file);
        return text;
}

void capture_begin(struct capture *capture)
{
        fflush(NULL);
        capture->files[0] = redirect(STDOUT_FILENO, &capture->saved[0]);
        capture->files[1] = redirect(STDERR_FILENO, &capture->saved[1]);
}

void capture_end(struct capture *capture)
{
        fflush(NULL);
        capture_done(capture);
        capture->out = restore(STDOUT_FILENO, capture->saved[0], capture->files[0]);
        capture->errors = restore(STDERR_FILENO, capture->saved[1], capture->files[1]);
}

void capture_done(struct capture *capture)
{
        free(capture->out);
        free(capture->errors);
        capture->out = NULL;
        capture->errors = NULL;
}
