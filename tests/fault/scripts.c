/* Scripts and commands run for real, and not twice for nothing: thousands of workers run the same
 * script over the same files. What it said and what it did to the files is remembered by its words
 * and by all that it could see: the files of the hypervisor with what is in them, the names on the
 * share, the QEMU that runs. Found again, it is said and done without a process.
 *
 * An inode number, which differs each time, counts as the path that has it, and what a guest wrote
 * into an image counts for nothing: no script looks at it. What changes the share or an image, and
 * what prints inode numbers, runs each time. */
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "image-format.h"

enum { ANSWERS = 8192, TEXT_BYTES = 4096, FILE_BYTES = 4096 };

/* One file, folder or link of the hypervisor. */
struct file {
        char *path;
        mode_t mode;
        ino_t inode;
        char *content; /* of a link: where it leads */
        size_t length;
        bool is_image; /* its header is its content */
};

/* All of them, by path. */
struct picture {
        struct file *files;
        size_t count;
};

struct answer {
        uint64_t key; /* 0: free */
        int status;
        /* output, errors, changes, each with its end */
        char text[TEXT_BYTES];
        size_t errors_at, changes_at, length;
};

static struct answer *answers;

void world_forget_answers(void)
{
        answers = mmap(NULL, ANSWERS * sizeof *answers, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (answers == MAP_FAILED)
                abort();
}

static void picture_done(struct picture *picture)
{
        for (size_t i = 0; i < picture->count; i++) {
                free(picture->files[i].path);
                free(picture->files[i].content);
        }
        free(picture->files);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **list_names(const char *folder)
{
        char **names = NULL;
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        strv_add(&names, entry->d_name);
        if (names)
                qsort(names, strv_length(names), sizeof *names, compare_names);
        return names;
}

static void read_content(struct file *file)
{
        char content[FILE_BYTES];
        ssize_t n = 0;
        if (S_ISLNK(file->mode)) {
                n = readlink(file->path, content, sizeof content);
        } else if (S_ISREG(file->mode)) {
                _cleanup_close_ int fd = open(file->path, O_RDONLY | O_CLOEXEC);
                n = fd < 0 ? 0 : read(fd, content, sizeof content);
        }
        file->length = n > 0 ? (size_t)n : 0;
        file->is_image = n >= (ssize_t)sizeof(struct image) / 2 &&
                         memcmp(content, IMAGE_MAGIC, sizeof IMAGE_MAGIC) == 0;
        if (file->is_image)
                file->length = offsetof(struct image, slots);
        file->content = xcalloc(file->length + 1, 1);
        memcpy(file->content, content, file->length);
}

/* `but`: a path to leave out, or NULL. */
static void add_folder(struct picture *picture, const char *folder, const char *but, bool on_share)
{
        _cleanup_strv_ char **names = list_names(folder);
        for (size_t i = 0; names && names[i]; i++) {
                struct stat st;
                _cleanup_free_ char *path = xasprintf("%s/%s", folder, names[i]);
                if (streq(path, but) || lstat(path, &st) < 0)
                        continue;
                picture->files =
                        xrealloc_array(picture->files, picture->count + 1, sizeof *picture->files);
                struct file *file = &picture->files[picture->count++];
                *file = (struct file){ .path = xstrdup(path),
                                       .mode = st.st_mode,
                                       .inode = st.st_ino,
                                       .length = S_ISDIR(st.st_mode) ? 0 : (size_t)st.st_size };
                if (!on_share)
                        read_content(file);
                if (S_ISDIR(st.st_mode))
                        add_folder(picture, path, but, on_share);
        }
}

static void take_pictures(struct picture *host, struct picture *share)
{
        *host = *share = (struct picture){ 0 };
        add_folder(host, "/run", WORLD_SHARE, false);
        add_folder(host, "/var/lib", NULL, false);
        add_folder(share, WORLD_SHARE, NULL, true);
}

void world_add_to_digest(uint64_t *digest, const void *data, size_t length)
{
        const unsigned char *bytes = data;
        for (size_t i = 0; i < length; i++)
                *digest = (*digest ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void add_picture(uint64_t *hash, const struct picture *picture)
{
        for (size_t i = 0; i < picture->count; i++) {
                const struct file *file = &picture->files[i];
                world_add_to_digest(hash, file->path, strlen(file->path) + 1);
                world_add_to_digest(hash, &file->mode, sizeof file->mode);
                world_add_to_digest(hash, &file->length, sizeof file->length);
                if (file->content)
                        world_add_to_digest(hash, file->content, file->length);
        }
}

/* Of the share the folders alone: a picture has those of the VM in it. */
uint64_t world_digest(void)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        struct picture host, share;
        take_pictures(&host, &share);
        add_picture(&hash, &host);
        for (size_t i = 0; i < share.count; i++)
                if (S_ISDIR(share.files[i].mode))
                        world_add_to_digest(&hash, share.files[i].path,
                                            strlen(share.files[i].path) + 1);
        picture_done(&host);
        picture_done(&share);
        return hash;
}

static const struct file *find_path(const struct picture *picture, const char *path)
{
        for (size_t i = 0; i < picture->count; i++)
                if (streq(picture->files[i].path, path))
                        return &picture->files[i];
        return NULL;
}

static const struct file *find_inode(const struct picture *picture, ino_t inode)
{
        for (size_t i = 0; i < picture->count; i++)
                if (picture->files[i].inode == inode)
                        return &picture->files[i];
        return NULL;
}

/* Units of jobs are only found by the path that they write to. */
static bool looks_at_share(const char *const argv[])
{
        bool looks = false;
        for (size_t i = 0; argv[i]; i++) {
                if (streq(argv[i], "orch-units"))
                        return false;
                looks = looks || str_starts_with(argv[i], WORLD_SHARE);
        }
        return looks;
}

static uint64_t key_of(const char *const argv[], const struct picture *host,
                       const struct picture *share)
{
        uint64_t key = UINT64_C(0xcbf29ce484222325);
        add_picture(&key, host);
        if (looks_at_share(argv))
                add_picture(&key, share);
        world_add_to_digest(&key, &world->n_qemus, sizeof world->n_qemus);
        world_add_to_digest(&key, &world->qemu, sizeof world->qemu);
        for (size_t i = 0; argv[i]; i++) {
                const char *word = argv[i];
                bool is_number = *word && !word[strspn(word, "0123456789")];
                const struct file *file =
                        is_number ? find_inode(host, (ino_t)strtoull(word, NULL, 10)) : NULL;
                if (file)
                        word = file->path;
                world_add_to_digest(&key, word, strlen(word) + 1);
        }
        return key ? key : 1;
}

static bool is_same(const struct file *a, const struct file *b)
{
        return a->mode == b->mode && a->length == b->length &&
               memcmp(a->content, b->content, a->length) == 0;
}

static void add_record(struct strbuf *text, char kind, const char *path, unsigned mode,
                       const char *content, size_t length)
{
        strbuf_addf(text, "%c %s %o %zu\n", kind, path, mode, length);
        strbuf_append(text, content, length);
}

/* 'm'oved to its content, 'r'emoved, made or written anew as 'd', 'l' or 'f'. False: it cannot be
 * done again by these words. */
static bool list_changes(const struct picture *before, const struct picture *after,
                         struct strbuf *ret)
{
        bool repeatable = true;
        for (size_t i = 0; i < before->count; i++) {
                const struct file *was = &before->files[i];
                const struct file *now = find_inode(after, was->inode);
                if (now && !streq(now->path, was->path) && !find_path(after, was->path))
                        add_record(ret, 'm', was->path, 0, now->path, strlen(now->path));
        }
        for (size_t i = before->count; i-- > 0;)
                if (!find_path(after, before->files[i].path) &&
                    !find_inode(after, before->files[i].inode))
                        add_record(ret, 'r', before->files[i].path, 0, "", 0);
        for (size_t i = 0; i < after->count; i++) {
                const struct file *now = &after->files[i];
                const struct file *was = find_inode(before, now->inode);
                if (was && (!streq(was->path, now->path) || is_same(was, now)))
                        continue;
                repeatable = repeatable && !now->is_image;
                add_record(ret,
                           S_ISDIR(now->mode)   ? 'd'
                           : S_ISLNK(now->mode) ? 'l'
                                                : 'f',
                           now->path, now->mode & 07777, now->content, now->length);
        }
        return repeatable;
}

static void make_change(char kind, const char *path, mode_t mode, const char *content,
                        size_t length)
{
        _cleanup_free_ char *text = xstrndup(content, length);
        bool made = true;
        if (kind == 'm')
                made = rename(path, text) == 0;
        else if (kind == 'r')
                made = remove(path) == 0;
        else if (kind == 'd')
                made = mkdir(path, mode) == 0 || chmod(path, mode) == 0;
        else if (kind == 'l')
                made = (unlink(path), symlink(text, path) == 0);
        else
                made = fs_write_file(path, mode, content, length, NULL) == 0;
        if (!made)
                world_violation("the model cannot do again what a script did to %s", path);
}

static void make_changes(const char *text, size_t length)
{
        const char *end = text + length;
        while (text < end) {
                char kind = 0, path[512];
                unsigned mode = 0;
                size_t size = 0;
                if (sscanf(text, "%c %511s %o %zu", &kind, path, &mode, &size) != 4)
                        abort();
                const char *content = strchr(text, '\n') + 1;
                make_change(kind, path, mode, content, size);
                text = content + size;
        }
}

static struct answer *find_answer(uint64_t key)
{
        for (size_t i = 0; i < ANSWERS; i++) {
                struct answer *answer = &answers[(key + i) % ANSWERS];
                if (answer->key == key || answer->key == 0)
                        return answer;
        }
        return NULL;
}

static void remember(struct answer *answer, uint64_t key, int status, const char *output,
                     const char *errors, const struct strbuf *changes)
{
        size_t errors_at = strlen(output) + 1, changes_at = errors_at + strlen(errors) + 1;
        if (!answer || changes_at + changes->length + 1 > sizeof answer->text)
                return;
        memcpy(answer->text, output, errors_at);
        memcpy(answer->text + errors_at, errors, changes_at - errors_at);
        if (changes->length)
                memcpy(answer->text + changes_at, changes->data, changes->length);
        answer->errors_at = errors_at;
        answer->changes_at = changes_at;
        answer->length = changes_at + changes->length;
        answer->status = status;
        answer->key = key;
}

static int answer_again(const struct answer *answer, char **ret_output, char **ret_errors)
{
        make_changes(answer->text + answer->changes_at, answer->length - answer->changes_at);
        *ret_output = xstrdup(answer->text);
        *ret_errors = xstrdup(answer->text + answer->errors_at);
        return answer->status;
}

static int run_and_remember(const char *const argv[], uint64_t key, struct answer *answer,
                            const struct picture *host, const struct picture *share,
                            char **ret_output, char **ret_errors)
{
        int status = world_spawn(argv, NULL, ret_output, ret_errors);
        uint64_t share_before = 0, share_after = 0;
        struct picture host_after, after;
        struct strbuf changes = { 0 };
        take_pictures(&host_after, &after);
        add_picture(&share_before, share);
        add_picture(&share_after, &after);
        if (list_changes(host, &host_after, &changes) && share_before == share_after)
                remember(answer, key, status, *ret_output, *ret_errors, &changes);
        picture_done(&host_after);
        picture_done(&after);
        strbuf_done(&changes);
        return status;
}

int world_run(const char *const argv[], char **ret_output, char **ret_errors)
{
        struct picture host, share;
        if (streq(argv[0], "stat"))
                return world_spawn(argv, NULL, ret_output, ret_errors);
        take_pictures(&host, &share);
        uint64_t key = key_of(argv, &host, &share);
        struct answer *answer = find_answer(key);
        int status = answer && answer->key == key
                             ? answer_again(answer, ret_output, ret_errors)
                             : run_and_remember(argv, key, answer, &host, &share, ret_output,
                                                ret_errors);
        picture_done(&host);
        picture_done(&share);
        return status;
}
