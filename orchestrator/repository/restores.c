/* Implements repository/restores.h. */
#include "repository/restores.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

#define FOLDER "metadata/restores"
#define JOURNAL_SUFFIX ".json"
enum { SWEPT_AFTER_S = 24 * 3600 };
enum { JOURNAL_MAX_BYTES = 4 * 1024 * 1024, XML_MAX_BYTES = 8 * 1024 * 1024 };

static int restores_make_folder(struct repository *repository, struct error **err)
{
        if (fs_make_dir_at(repository->root_fd, "metadata", 0755, err) < 0)
                return -1;
        _cleanup_close_ int metadata_fd = fs_open_dir_at(repository->root_fd, "metadata", err);
        if (metadata_fd < 0 || fs_make_dir_at(metadata_fd, "restores", 0700, err) < 0)
                return -1;
        return fs_open_dir_at(metadata_fd, "restores", err);
}

int restores_lock(struct repository *repository, const char *job, int *ret_fd, struct error **err)
{
        assert(name_is_safe(job));
        _cleanup_close_ int folder_fd = restores_make_folder(repository, err);
        if (folder_fd < 0)
                return -1;
        _cleanup_free_ char *name = xasprintf("%s.lock", job);
        _cleanup_close_ int fd =
                openat(folder_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open " FOLDER "/%s",
                                       name);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
                *ret_fd = TAKE_FD(fd);
                return 1;
        }
        if (errno == EAGAIN || errno == EACCES)
                return 0;
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot lock " FOLDER "/%s", name);
}

static int write_file(struct repository *repository, const char *name, const char *text,
                      struct error **err)
{
        _cleanup_close_ int folder_fd = restores_make_folder(repository, err);
        if (folder_fd < 0 || fs_write_file_at(folder_fd, name, 0600, text, strlen(text), err) < 0)
                return error_prefix(err, "%s/" FOLDER, repository->path);
        return 0;
}

int restores_write(struct repository *repository, const struct restore_journal *journal,
                   struct error **err)
{
        _cleanup_free_ char *name = xasprintf("%s" JOURNAL_SUFFIX, journal->job);
        _cleanup_free_ char *text = restore_journal_format(journal);
        /* If the journal could not be read later, no recovery would undo an interrupted restore. */
        _cleanup_(restore_journal_freep) struct restore_journal *again =
                restore_journal_parse(text, strlen(text), err);
        return again ? write_file(repository, name, text, err) : -1;
}

int restores_write_original(struct repository *repository, const struct restore_journal *journal,
                            const char *xml, struct error **err)
{
        return write_file(repository, journal->original_file, xml, err);
}

char *restores_read_original(struct repository *repository, const struct restore_journal *journal,
                             struct error **err)
{
        _cleanup_close_ int folder_fd =
                share_open_beneath(repository->root_fd, FOLDER, O_RDONLY | O_DIRECTORY, err);
        return folder_fd < 0 ? NULL
                             : share_read_file(folder_fd, journal->original_file, XML_MAX_BYTES,
                                               NULL, err);
}

static int remove_file(int folder_fd, const char *name, struct error **err)
{
        if (unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove " FOLDER "/%s",
                                       name);
        return 0;
}

/* The journal is removed first: without it the other files have no effect. */
int restores_remove(struct repository *repository, const struct restore_journal *journal,
                    struct error **err)
{
        _cleanup_close_ int folder_fd = restores_make_folder(repository, err);
        _cleanup_free_ char *name = xasprintf("%s" JOURNAL_SUFFIX, journal->job);
        _cleanup_free_ char *lock = xasprintf("%s.lock", journal->job);
        if (folder_fd < 0 || remove_file(folder_fd, name, err) < 0 ||
            fs_sync_dir(folder_fd, FOLDER, err) < 0)
                return -1;
        if (journal->original_file && remove_file(folder_fd, journal->original_file, err) < 0)
                return -1;
        return remove_file(folder_fd, lock, err);
}

/* Whether the file means something only to a process that is under way, or beside a journal. */
static bool is_of_no_journal(const char *name, char *const *names)
{
        static const char *const suffixes[] = { ".lock", "-original.xml" };
        if (name[0] == '.')
                return str_ends_with(name, ".tmp");
        for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
                if (!str_ends_with(name, suffixes[i]))
                        continue;
                _cleanup_free_ char *journal = xasprintf(
                        "%.*s" JOURNAL_SUFFIX, (int)(strlen(name) - strlen(suffixes[i])), name);
                return !strv_contains(names, journal);
        }
        return false;
}

int restores_sweep(struct repository *repository, int64_t now, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_strv_ char **names = NULL;
        _cleanup_close_ int folder_fd =
                share_open_beneath(repository->root_fd, FOLDER, O_RDONLY | O_DIRECTORY, &error);
        if (folder_fd < 0 && error->errnum == ENOENT)
                return 0;
        if (folder_fd < 0)
                return error_propagate(err, TAKE_PTR(error));
        if (share_list(folder_fd, FOLDER, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                struct stat st;
                if (!is_of_no_journal(names[i], names) ||
                    fstatat(folder_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    st.st_mtim.tv_sec > now - SWEPT_AFTER_S)
                        continue;
                if (remove_file(folder_fd, names[i], err) < 0)
                        return -1;
        }
        return 0;
}

/* Returns NULL when the journal no longer exists, or cannot be read; then it is added to
 * `unreadable`. */
static struct restore_journal *read_one(int folder_fd, const char *name,
                                        struct restore_journals *list)
{
        _cleanup_error_ struct error *error = NULL;
        size_t length = 0;
        _cleanup_free_ char *text =
                share_read_file(folder_fd, name, JOURNAL_MAX_BYTES, &length, &error);
        _cleanup_(restore_journal_freep) struct restore_journal *journal =
                text ? restore_journal_parse(text, length, &error) : NULL;
        _cleanup_free_ char *own_name =
                journal ? xasprintf("%s" JOURNAL_SUFFIX, journal->job) : NULL;
        if (journal && !streq(own_name, name))
                error_set(&error, ERROR_CORRUPT, "it belongs to another job (%s)", journal->job);
        if (!error)
                return TAKE_PTR(journal);
        if (error->errnum != ENOENT)
                strv_addf(&list->unreadable, FOLDER "/%s cannot be read: %s", name, error->message);
        return NULL;
}

int restores_scan(struct repository *repository, const char *vm, struct restore_journals *ret,
                  struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int folder_fd =
                share_open_beneath(repository->root_fd, FOLDER, O_RDONLY | O_DIRECTORY, &error);
        _cleanup_restore_journals_ struct restore_journals list = { 0 };
        _cleanup_strv_ char **names = NULL;
        if (folder_fd < 0 && error->errnum != ENOENT)
                return error_propagate(err, TAKE_PTR(error));
        if (folder_fd >= 0 && share_list(folder_fd, FOLDER, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                if (!file_name_is_safe(names[i]) || !str_ends_with(names[i], JOURNAL_SUFFIX))
                        continue;
                _cleanup_(restore_journal_freep) struct restore_journal *journal =
                        read_one(folder_fd, names[i], &list);
                if (!journal || (vm && !streq(journal->vm, vm)))
                        continue;
                list.items = xrealloc_array(list.items, list.count + 1, sizeof *list.items);
                list.items[list.count++] = TAKE_PTR(journal);
        }
        *ret = list;
        list = (struct restore_journals){ 0 };
        return 0;
}

void restore_journals_done(struct restore_journals *list)
{
        for (size_t i = 0; i < list->count; i++)
                restore_journal_free(list->items[i]);
        free(list->items);
        strv_free(list->unreadable);
        *list = (struct restore_journals){ 0 };
}
