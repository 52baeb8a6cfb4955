/* Commands on the model's hypervisor. Scripts run for real: /bin/sh on the tmpfs at /run, with the
 * programs of tools/ before those of the system. A copy and qemu-img are the model's own, because
 * they take time and look at images. */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "world.h"

extern char **environ;

enum { COPY_STEPS = 4 };

static char *read_all(int fd)
{
        struct strbuf text = { 0 };
        char piece[4096];
        lseek(fd, 0, SEEK_SET);
        for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;)
                strbuf_append(&text, piece, (size_t)n);
        return strbuf_take(&text);
}

int world_spawn(const char *const argv[], const char *extra_environment, char **ret_output,
                char **ret_errors)
{
        _cleanup_close_ int output = memfd_create("output", MFD_CLOEXEC);
        _cleanup_close_ int errors = memfd_create("errors", MFD_CLOEXEC);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, output, 1);
        posix_spawn_file_actions_adddup2(&actions, errors, 2);
        _cleanup_strv_ char **environment = strv_copy(environ);
        if (extra_environment)
                strv_add(&environment, extra_environment);
        pid_t pid;
        int status = -1;
        int failed = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
                                  environment);
        posix_spawn_file_actions_destroy(&actions);
        if (failed) {
                world_violation("the model cannot run %s: %s", argv[0], strerror(failed));
                return 127;
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (ret_output)
                *ret_output = read_all(output);
        if (ret_errors)
                *ret_errors = read_all(errors);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int answer(struct exec_result *ret, int status, char *output)
{
        *ret = (struct exec_result){ .status = status, .output = output, .errors = xstrdup("") };
        return 0;
}

static int image_compare(const char *const argv[], size_t n, struct exec_result *ret)
{
        uint64_t one[WORLD_SLOTS], other[WORLD_SLOTS];
        bool same = image_read(argv[n - 2], one) && image_read(argv[n - 1], other) &&
                    memcmp(one, other, sizeof one) == 0;
        return answer(ret, same ? 0 : 1, xstrdup(""));
}

/* qemu-img info of an overlay whose domain is off. */
static int image_info(const char *path, struct exec_result *ret)
{
        char backing[WORLD_PATH], format[8];
        if (!image_exists(path))
                return answer(ret, 1, xstrdup(""));
        if (!image_backing(path, backing, format))
                return answer(ret, 0, xstrdup("{}"));
        return answer(
                ret, 0,
                xasprintf("{\"full-backing-filename\":\"%s\",\"backing-filename-format\":\"%s\"}",
                          backing, format));
}

static int image_overlay(const char *backing, const char *overlay, struct exec_result *ret)
{
        if (image_exists(overlay))
                world_violation("%s is written over", overlay);
        image_make(overlay, "qcow2", backing, "qcow2");
        return answer(ret, 0, xstrdup(""));
}

static int image_commit(const char *const argv[], const char *overlay, struct exec_result *ret)
{
        const char *base = NULL;
        for (size_t i = 0; argv[i] && argv[i + 1]; i++)
                if (streq(argv[i], "-b"))
                        base = argv[i + 1];
        struct world_disk *disk = base ? world_disk_of_base(base) : NULL;
        if (!disk || !streq(disk->overlay, overlay))
                world_violation("an offline commit of %s into %s, which is no base of its own",
                                overlay, base ? base : "its default");
        else if (world_vm()->state == DOMAIN_STATE_RUNNING)
                world_violation("an offline commit while the VM runs");
        else if (world_disk_is_read(disk))
                world_violation("an offline commit into %s while it is copied", base);
        else {
                image_merge(overlay, base);
                disk->merged = true;
                disk->seen_live = disk->seen_inactive = false;
        }
        return answer(ret, 0, xstrdup(""));
}

static void unit_file(const struct world_copy *copy, char path[2 * WORLD_PATH])
{
        snprintf(path, 2 * WORLD_PATH, WORLD_STATE "/units/%s", copy->unit);
}

void world_end_copy(struct world_copy *copy)
{
        char path[2 * WORLD_PATH];
        unit_file(copy, path);
        unlink(path);
        copy->running = false;
}

void world_finish_copy(struct world_copy *copy)
{
        uint64_t now[WORLD_SLOTS];
        world_end_copy(copy);
        if (!image_read(copy->source, now) || memcmp(now, copy->at_start, sizeof now) != 0)
                world_violation("%s changed while it was copied", copy->source);
        if (image_exists(copy->target))
                image_flatten_to(copy->source, copy->target, copy->format);
}

static struct world_copy *begin_copy(const char *unit, struct world_disk *disk, const char *source,
                                     const char *target, const char *format)
{
        struct world_copy *copy = NULL;
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (!world->copies[i].running)
                        copy = &world->copies[i];
        if (!copy)
                abort();
        *copy = (struct world_copy){ .running = true,
                                     .disk = disk,
                                     .ends_at = world->now_ms + WORLD_COPY_MS };
        snprintf(copy->unit, sizeof copy->unit, "%s", unit);
        snprintf(copy->source, sizeof copy->source, "%s", source);
        snprintf(copy->target, sizeof copy->target, "%s", target);
        snprintf(copy->format, sizeof copy->format, "%s", format);
        char path[2 * WORLD_PATH];
        unit_file(copy, path);
        if (fs_write_file(path, 0644, target, strlen(target), NULL) < 0)
                abort();
        image_make_partial(target);
        image_read(source, copy->at_start);
        return copy;
}

/* Of a backup: a disk of the VM, which must not change meanwhile. */
static struct world_copy *begin_backup_copy(const char *unit, const char *base, const char *target)
{
        struct world_disk *disk = world_disk_of_base(base);
        if (!disk) {
                world_violation("a copy of %s, which is no disk's base", base);
                return NULL;
        }
        if (world_vm()->state == DOMAIN_STATE_RUNNING && streq(disk->chain[0], disk->base))
                world_violation("a copy of %s while the guest has it open", base);
        if (disk->committing || disk->merged)
                world_violation("a copy of %s after its commit was begun", base);
        return begin_copy(unit, disk, base, target, "qcow2");
}

/* Of a restore: an image of the point into a file of its own. */
static struct world_copy *begin_restore_copy(const char *const argv[], size_t n, const char *unit)
{
        const char *format = "?";
        for (size_t i = 0; i + 1 < n; i++)
                if (streq(argv[i], "-O"))
                        format = argv[i + 1];
        const char *target = argv[n - 1];
        if (!str_starts_with(argv[n - 2], WORLD_SHARE) || !str_ends_with(target, ".restoring")) {
                world_violation("a copy of %s to %s", argv[n - 2], target);
                return NULL;
        }
        if (image_exists(target))
                world_violation("%s is written over", target);
        return begin_copy(unit, NULL, argv[n - 2], target, format);
}

static int run_copy(const char *const argv[], size_t n, const struct exec_options *options,
                    struct exec_result *ret, struct error **err)
{
        for (size_t i = 0; i < n; i++)
                if (streq(argv[i], "-U"))
                        world_violation("a copy without the image's lock (-U)");
        struct world_copy *copy =
                streq(argv[3], "orch-copy")
                        ? begin_backup_copy(options->unit, argv[n - 2], argv[n - 1])
                        : begin_restore_copy(argv, n, options->unit);
        if (!copy)
                return error_set(err, ERROR_INTERNAL, "no such disk in the model");
        bool breaks = world->break_copy;
        unsigned epoch = world->network_epoch;
        world->break_copy = false;
        for (int step = 1; step <= COPY_STEPS; step++) {
                world_advance(WORLD_COPY_MS / COPY_STEPS);
                if ((breaks && step == 2) || epoch != world->network_epoch)
                        return error_set(err, ERROR_UNREACHABLE,
                                         "the connection broke during the copy");
                _cleanup_free_ char *progress =
                        xasprintf("    (%d.00/100%%)\r", step * 100 / COPY_STEPS);
                options->on_output(progress, strlen(progress), options->data);
                if (copy->running && options->cancelled(options->data)) {
                        world_end_copy(copy);
                        return error_set(err, ERROR_CANCELLED, "the copy was cancelled");
                }
        }
        return answer(ret, copy->running ? 143 : 0, xstrdup(""));
}

const char *command_name(const char *const argv[])
{
        size_t n = strv_length((char *const *)(uintptr_t)argv);
        if (!streq(argv[0], "sh") || n < 4)
                return argv[0];
        return n > 7 && streq(argv[5], "qemu-img") ? argv[6] : argv[3];
}

bool command_is_copy(const char *name)
{
        return streq(name, "orch-copy") || streq(name, "convert");
}

int command_run(const char *const argv[], const struct exec_options *options,
                struct exec_result *ret, struct error **err)
{
        size_t n = strv_length((char *const *)(uintptr_t)argv);
        if (command_is_copy(command_name(argv)))
                return run_copy(argv, n, options, ret, err);
        if (n > 7 && streq(argv[3], "orch-restore") && streq(argv[6], "compare"))
                return image_compare(argv, n, ret);
        if (n == 6 && streq(argv[3], "orch-overlay"))
                return image_overlay(argv[4], argv[5], ret);
        if (n > 2 && streq(argv[0], "qemu-img") && streq(argv[1], "info"))
                return image_info(argv[n - 1], ret);
        if (n > 2 && streq(argv[0], "qemu-img") && streq(argv[1], "commit"))
                return image_commit(argv, argv[n - 1], ret);
        if (n > 3 && streq(argv[0], "qemu-img") && streq(argv[1], "compare"))
                return image_compare(argv, n, ret);
        struct exec_result result = { 0 };
        result.status = world_run(argv, &result.output, &result.errors);
        world_look();
        *ret = result;
        return 0;
}

void command_stop(const char *unit)
{
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (world->copies[i].running && streq(world->copies[i].unit, unit))
                        world_end_copy(&world->copies[i]);
}
