/* Implements notify/spool.h. */
#include "notify/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

#define SPOOL_FORMAT 1
#define FILE_MAX_BYTES ((size_t)1 << 20)
#define GIVEN_UP_SECONDS ((int64_t)SPOOL_GIVEN_UP_DAYS * 86400)
#define GIVEN_UP "given-up"

enum { NAME_DIGITS = 19 };

struct spool {
        int dir_fd;
        int given_up_fd;
        char *folder;
        struct spool_message *messages;
        size_t count;
        int64_t last_number;
        int64_t *given_up; /* the times of the kept dropped messages */
        size_t n_given_up;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct spool_message, member)
static const struct json_field message_fields[] = {
        { FIELD(created), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(not_before), .type = JSON_FIELD_TIME },
        { FIELD(key), .type = JSON_FIELD_TEXT },
        { 0 },
};

static void file_name(int64_t number, char name[static 32])
{
        snprintf(name, 32, "%0*lld.json", NAME_DIGITS, (long long)number);
}

/* The number in a name such as "0000001763631234567.json"; 0 for any other name. */
static int64_t spool_file_number(const char *name)
{
        if (strspn(name, "0123456789") != NAME_DIGITS || !streq(name + NAME_DIGITS, ".json"))
                return 0;
        return strtoll(name, NULL, 10);
}

struct spool *spool_free(struct spool *spool)
{
        if (!spool)
                return NULL;
        for (size_t i = 0; i < spool->count; i++)
                free(spool->messages[i].key);
        free(spool->messages);
        free(spool->given_up);
        free(spool->folder);
        closep(&spool->dir_fd);
        closep(&spool->given_up_fd);
        free(spool);
        return NULL;
}

static json_t *read_document(const struct spool *spool, int64_t number, struct error **err)
{
        char name[32];
        size_t length = 0;
        file_name(number, name);
        _cleanup_free_ char *text =
                fs_read_file_at(spool->dir_fd, name, FILE_MAX_BYTES, &length, err);
        _cleanup_json_ json_t *json = text ? json_read_document(text, length, name, err) : NULL;
        if (!json || json_check_format(json, SPOOL_FORMAT, err) < 0)
                return NULL;
        return json_incref(json);
}

static int write_message(const struct spool *spool, const struct spool_message *message,
                         const struct notice *notice, struct error **err)
{
        char name[32];
        _cleanup_json_ json_t *json =
                json_fields_to_document(SPOOL_FORMAT, message_fields, message);
        json_object_set_new(json, "notice", notice_to_json(notice));
        _cleanup_free_ char *text = json_write_document(json);
        file_name(message->number, name);
        return fs_write_file_at(spool->dir_fd, name, 0640, text, strlen(text), err);
}

static void note_given_up(struct spool *spool, int64_t when)
{
        spool->given_up =
                xrealloc_array(spool->given_up, spool->n_given_up + 1, sizeof *spool->given_up);
        spool->given_up[spool->n_given_up++] = when;
}

/* Removes dropped messages that are too old or exceed SPOOL_GIVEN_UP_MAX, and records the rest. */
static void spool_prune_given_up(struct spool *spool, int64_t now)
{
        int fd = openat(spool->given_up_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        spool->n_given_up = 0;
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                struct stat st;
                if (!spool_file_number(entry->d_name) ||
                    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (st.st_mtime < now - GIVEN_UP_SECONDS || spool->n_given_up >= SPOOL_GIVEN_UP_MAX)
                        (void)unlinkat(fd, entry->d_name, 0);
                else
                        note_given_up(spool, st.st_mtime);
        }
        if (dir)
                closedir(dir);
        else
                closep(&fd);
}

static int spool_set_aside(struct spool *spool, int64_t number, struct error **err)
{
        char name[32];
        file_name(number, name);
        const struct timespec now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
        (void)utimensat(spool->dir_fd, name, now, AT_SYMLINK_NOFOLLOW);
        if (renameat(spool->dir_fd, name, spool->given_up_fd, name) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot move %s/%s to " GIVEN_UP,
                                       spool->folder, name);
        return fs_sync_dir(spool->dir_fd, spool->folder, err);
}

static int load_message(struct spool *spool, int64_t number, struct error **err)
{
        struct spool_message message = { .number = number };
        _cleanup_json_ json_t *json = read_document(spool, number, err);
        if (!json || json_fields_read(message_fields, json, "", &message, err) < 0) {
                free(message.key);
                return -1;
        }
        spool->messages =
                xrealloc_array(spool->messages, spool->count + 1, sizeof *spool->messages);
        spool->messages[spool->count++] = message;
        return 0;
}

static int by_number(const void *a, const void *b)
{
        const int64_t x = *(const int64_t *)a;
        const int64_t y = *(const int64_t *)b;
        return x < y ? -1 : x > y;
}

static void spool_load(struct spool *spool)
{
        int64_t *numbers = NULL;
        size_t count = 0;
        int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                if (!spool_file_number(entry->d_name))
                        continue;
                numbers = xrealloc_array(numbers, count + 1, sizeof *numbers);
                numbers[count++] = spool_file_number(entry->d_name);
        }
        if (dir)
                closedir(dir);
        if (count)
                qsort(numbers, count, sizeof *numbers, by_number);
        for (size_t i = 0; i < count; i++) {
                _cleanup_error_ struct error *error = NULL;
                spool->last_number = numbers[i];
                if (load_message(spool, numbers[i], &error) == 0)
                        continue;
                log_warning("a queued message cannot be read and is set aside: %s",
                            error_message(error));
                if (spool_set_aside(spool, numbers[i], NULL) < 0)
                        log_warning("it stays in %s", spool->folder);
        }
        free(numbers);
}

struct spool *spool_open(const char *folder, struct error **err)
{
        _cleanup_(spool_freep) struct spool *spool = xcalloc(1, sizeof *spool);
        spool->dir_fd = spool->given_up_fd = -1;
        spool->folder = xstrdup(folder);
        if (fs_make_dirs(folder, err) < 0 ||
            (spool->dir_fd = fs_open_dir_at(AT_FDCWD, folder, err)) < 0 ||
            fs_make_dir_at(spool->dir_fd, GIVEN_UP, 0755, err) < 0 ||
            (spool->given_up_fd = fs_open_dir_at(spool->dir_fd, GIVEN_UP, err)) < 0)
                return NULL;
        spool_load(spool);
        spool_prune_given_up(spool, clock_realtime_s());
        return TAKE_PTR(spool);
}

size_t spool_count(const struct spool *spool)
{
        return spool->count;
}

const struct spool_message *spool_at(const struct spool *spool, size_t n)
{
        return &spool->messages[n];
}

const struct spool_message *spool_find(const struct spool *spool, const char *key)
{
        for (size_t i = 0; i < spool->count; i++)
                if (spool->messages[i].key && streq(spool->messages[i].key, key))
                        return &spool->messages[i];
        return NULL;
}

int spool_add(struct spool *spool, const struct notice *notice, const char *key, int64_t created,
              int64_t not_before, struct error **err)
{
        if (spool->count >= SPOOL_MAX_MESSAGES)
                return error_set(err, ERROR_REFUSED, "%zu messages wait there already",
                                 spool->count);
        int64_t now = clock_realtime_ms();
        struct spool_message message = {
                .number = now > spool->last_number ? now : spool->last_number + 1,
                .created = created,
                .not_before = not_before,
                .key = (char *)key,
        };
        if (write_message(spool, &message, notice, err) < 0)
                return -1;
        message.key = xstrdup(key);
        spool->last_number = message.number;
        spool->messages =
                xrealloc_array(spool->messages, spool->count + 1, sizeof *spool->messages);
        spool->messages[spool->count++] = message;
        return 0;
}

static struct spool_message *find_number(const struct spool *spool, int64_t number)
{
        for (size_t i = 0; i < spool->count; i++)
                if (spool->messages[i].number == number)
                        return &spool->messages[i];
        return NULL;
}

int spool_replace(struct spool *spool, int64_t number, const struct notice *notice,
                  int64_t not_before, struct error **err)
{
        struct spool_message *message = find_number(spool, number);
        if (!message)
                return error_set(err, ERROR_INTERNAL, "the message is no longer in the queue");
        struct spool_message changed = *message;
        changed.not_before = not_before;
        if (write_message(spool, &changed, notice, err) < 0)
                return -1;
        *message = changed;
        return 0;
}

struct notice *spool_read(const struct spool *spool, int64_t number, struct error **err)
{
        _cleanup_json_ json_t *json = read_document(spool, number, err);
        if (!json)
                return NULL;
        return notice_from_json(json_object_get(json, "notice"), err);
}

static void spool_forget_entry(struct spool *spool, int64_t number)
{
        struct spool_message *message = find_number(spool, number);
        if (!message)
                return;
        free(message->key);
        memmove(message, message + 1,
                (size_t)(spool->messages + spool->count - message - 1) * sizeof *message);
        spool->count--;
}

int spool_remove(struct spool *spool, int64_t number, struct error **err)
{
        char name[32];
        file_name(number, name);
        spool_forget_entry(spool, number);
        if (unlinkat(spool->dir_fd, name, 0) < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove %s/%s",
                                       spool->folder, name);
        return fs_sync_dir(spool->dir_fd, spool->folder, err);
}

int spool_give_up(struct spool *spool, int64_t number, int64_t now, struct error **err)
{
        spool_forget_entry(spool, number);
        int r = spool_set_aside(spool, number, err);
        spool_prune_given_up(spool, now);
        return r;
}

size_t spool_given_up(const struct spool *spool, int64_t now)
{
        size_t count = 0;
        for (size_t i = 0; i < spool->n_given_up; i++)
                count += spool->given_up[i] >= now - GIVEN_UP_SECONDS;
        return count;
}
