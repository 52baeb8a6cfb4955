/* Implements cli/offline/unpack.h.
 *
 * libarchive writes below the current folder, which for that time is a new folder of mode 0700 in
 * the target. So no existing link can be on the way, and links from the archive are not followed
 * (ARCHIVE_EXTRACT_SECURE_*). */
#include "cli/offline/unpack.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/offline/unpack-internal.h"

enum { CHUNK_BYTES = 1024 * 1024, MOST_WARNINGS = 20 };

static void reader_freep(struct archive **reader)
{
        archive_read_free(*reader); /* NULL is fine */
}

static void writer_freep(struct archive **writer)
{
        archive_write_free(*writer);
}

void unpack_result_done(struct unpack_result *result)
{
        strv_free(result->warnings);
        *result = (struct unpack_result){ 0 };
}

/* The state of libarchive's read callback. It keeps the source's error, because libarchive would
 * reduce it to a text. */
struct source {
        const struct unpack *unpack;
        struct error *error;
        char *chunk;
};

static void source_done(struct source *source)
{
        error_free(source->error);
        free(source->chunk);
}

static la_ssize_t on_read(struct archive *reader, void *data, const void **ret_chunk)
{
        struct source *source = data;
        *ret_chunk = source->chunk;
        ssize_t n = source->unpack->read(source->unpack->data, source->chunk, CHUNK_BYTES,
                                         &source->error);
        if (n < 0)
                archive_set_error(reader, EIO, "%s", source->error->message);
        return n;
}

static int archive_failed(struct archive *archive, struct source *source, const char *what,
                          struct error **err)
{
        if (source->error)
                return error_propagate(err, TAKE_PTR(source->error));
        const char *text = archive_error_string(archive);
        _cleanup_free_ char *said = str_one_line(text ? text : "libarchive gave no reason", 1000);
        int errnum = archive_errno(archive);
        if (errnum == ENOSPC || errnum == EDQUOT)
                return error_set_errno(err, ERROR_INTERNAL, errnum, "%s", what);
        return error_set(err, ERROR_INTERNAL, "%s: %s", what, said);
}

static struct archive *open_reader(struct source *source, struct error **err)
{
        /* With this locale libarchive does not convert names. */
        setlocale(LC_CTYPE, "C.UTF-8");
        source->chunk = xmalloc(CHUNK_BYTES);
        _cleanup_(reader_freep) struct archive *reader = archive_read_new();
        if (reader && archive_read_support_format_tar(reader) == ARCHIVE_OK &&
            archive_read_open(reader, source, NULL, on_read, NULL) == ARCHIVE_OK)
                return TAKE_PTR(reader);
        (void)archive_failed(reader, source, "cannot read what came out of the disk images", err);
        return NULL;
}

static void add_warning(struct unpack_result *result, struct archive *archive,
                        struct archive_entry *entry)
{
        if (strv_length(result->warnings) == MOST_WARNINGS)
                return;
        const char *text = archive_error_string(archive);
        _cleanup_free_ char *said =
                str_one_line(text ? text : "not all of its attributes could be kept", 300);
        _cleanup_free_ char *name = str_one_line(
                archive_entry_pathname(entry) ? archive_entry_pathname(entry) : "", 300);
        strv_addf(&result->warnings, "%s: %s", name, said);
}

/* For a pax archive with holes libarchive still wants the zeros of the holes; it omits them itself.
 */
static int write_zeros(struct archive *writer, uint64_t bytes)
{
        static const char zeros[64 * 1024];
        while (bytes > 0) {
                size_t chunk = bytes < sizeof zeros ? (size_t)bytes : sizeof zeros;
                if (archive_write_data(writer, zeros, chunk) < 0)
                        return ARCHIVE_FATAL;
                bytes -= chunk;
        }
        return ARCHIVE_OK;
}

static int copy_content(struct archive *reader, struct archive *writer, bool to_tar, uint64_t size,
                        struct source *source, struct error **err)
{
        uint64_t done = 0;
        for (;;) {
                const void *block;
                size_t length;
                la_int64_t offset;
                int status = archive_read_data_block(reader, &block, &length, &offset);
                if (status == ARCHIVE_EOF)
                        break;
                if (status < ARCHIVE_WARN)
                        return archive_failed(reader, source,
                                              "cannot read what came out of the disk images", err);
                if (!to_tar &&
                    archive_write_data_block(writer, block, length, offset) < ARCHIVE_WARN)
                        return archive_failed(writer, source, "cannot write", err);
                if (to_tar && ((uint64_t)offset < done ||
                               write_zeros(writer, (uint64_t)offset - done) < ARCHIVE_OK ||
                               archive_write_data(writer, block, length) < 0))
                        return archive_failed(writer, source, "cannot write", err);
                done = (uint64_t)offset + length;
        }
        if (to_tar && done < size && write_zeros(writer, size - done) < ARCHIVE_OK)
                return archive_failed(writer, source, "cannot write", err);
        return 0;
}

static int copy_member(struct archive *reader, struct archive *writer, struct archive_entry *entry,
                       bool to_tar, struct source *source, struct unpack_result *result,
                       struct error **err)
{
        bool has_content =
                archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
        uint64_t size = has_content && archive_entry_size_is_set(entry)
                                ? (uint64_t)archive_entry_size(entry)
                                : 0;
        int status = archive_write_header(writer, entry);
        if (status < ARCHIVE_WARN)
                return archive_failed(writer, source, archive_entry_pathname(entry), err);
        if (status == ARCHIVE_WARN)
                add_warning(result, writer, entry);
        if (size > 0 && copy_content(reader, writer, to_tar, size, source, err) < 0)
                return error_prefix(err, "%s", archive_entry_pathname(entry));
        status = archive_write_finish_entry(writer);
        if (status < ARCHIVE_WARN)
                return archive_failed(writer, source, archive_entry_pathname(entry), err);
        if (status == ARCHIVE_WARN)
                add_warning(result, writer, entry);
        result->files++;
        result->bytes += size;
        return 0;
}

/* Copies all members from the source to the writer. */
static int copy_all(const struct unpack *unpack, struct archive *writer, bool to_tar,
                    struct unpack_result *result, struct error **err)
{
        _cleanup_(source_done) struct source source = { .unpack = unpack };
        _cleanup_(reader_freep) struct archive *reader = open_reader(&source, err);
        if (!reader)
                return -1;
        struct unpack_tally tally = { 0 };
        for (;;) {
                struct archive_entry *entry;
                int status = archive_read_next_header(reader, &entry);
                if (status == ARCHIVE_EOF)
                        break;
                if (status < ARCHIVE_WARN)
                        return archive_failed(reader, &source,
                                              "cannot read what came out of the disk images", err);
                int verdict = unpack_member(unpack, entry, &tally, err);
                if (verdict < 0)
                        return -1;
                if (verdict == MEMBER_TAKEN &&
                    copy_member(reader, writer, entry, to_tar, &source, result, err) < 0)
                        return -1;
        }
        /* The end of the archive is not the end of the source. The source reports its errors only
         * at its own end, so read to there. */
        ssize_t n;
        while ((n = unpack->read(unpack->data, source.chunk, CHUNK_BYTES, err)) > 0)
                ;
        if (n < 0)
                return -1;
        if (archive_write_close(writer) < ARCHIVE_WARN)
                return archive_failed(writer, &source, "cannot write", err);
        unpack_tell(&tally, result);
        if (result->files == 0)
                return error_set(
                        err, ERROR_INTERNAL, "nothing was written: the path cannot be copied%s",
                        tally.devices ? " (it is a device node; --privileged includes it)" : "");
        return 0;
}

int unpack_to_tar(const struct unpack *unpack, int fd, struct unpack_result *ret,
                  struct error **err)
{
        struct unpack whole = *unpack;
        whole.privileged = true;
        _cleanup_(writer_freep) struct archive *writer = archive_write_new();
        if (!writer || archive_write_set_format_pax(writer) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(writer, 1) != ARCHIVE_OK ||
            archive_write_open_fd(writer, fd) != ARCHIVE_OK)
                return error_set(err, ERROR_INTERNAL, "cannot write an archive: %s",
                                 writer ? archive_error_string(writer) : "out of memory");
        return copy_all(&whole, writer, true, ret, err);
}

/* Unpacks into the current folder. */
static int unpack_here(const struct unpack *unpack, struct unpack_result *ret, struct error **err)
{
        int flags = ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                    ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SPARSE |
                    ARCHIVE_EXTRACT_NO_OVERWRITE | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                    ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
        _cleanup_(writer_freep) struct archive *writer = archive_write_disk_new();
        if (!writer || archive_write_disk_set_options(writer, flags) != ARCHIVE_OK)
                return error_set(err, ERROR_INTERNAL, "cannot unpack: %s",
                                 writer ? archive_error_string(writer) : "out of memory");
        return copy_all(unpack, writer, false, ret, err);
}

static bool is_there(int dir_fd, const char *name)
{
        struct stat st;
        return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int already_there(const char *folder, const char *name, struct error **err)
{
        _cleanup_free_ char *path = path_join(folder, name);
        _cleanup_free_ char *shown = str_one_line(path, 400);
        return error_set(err, ERROR_REFUSED, "%s exists already; --force replaces it", shown);
}

static int rename_new(int from_fd, int to_fd, const char *name)
{
        if (renameat2(from_fd, name, to_fd, name, RENAME_NOREPLACE) == 0)
                return 0;
        /* NFS has no RENAME_NOREPLACE. move_into_place() has just seen that the name is free. */
        return errno == EINVAL || errno == ENOSYS ? renameat(from_fd, name, to_fd, name) : -1;
}

/* Moves the new file from our temporary folder into the target. What it replaces is moved into the
 * temporary folder and removed with it. */
static int move_into_place(int own_fd, int target_fd, const char *folder, const char *name,
                           bool replace, struct error **err)
{
        bool there = is_there(target_fd, name);
        if (there && !replace)
                return already_there(folder, name, err);
        if (fs_make_dir_at(own_fd, "replaced", 0700, err) < 0)
                return -1;
        _cleanup_close_ int replaced_fd = fs_open_dir_at(own_fd, "replaced", err);
        _cleanup_close_ int new_fd = replaced_fd < 0 ? -1 : fs_open_dir_at(own_fd, "new", err);
        if (new_fd < 0)
                return -1;
        if (there && renameat(target_fd, name, replaced_fd, name) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot move the existing file aside in %s", folder);
        if (rename_new(new_fd, target_fd, name) == 0)
                return 0;
        int errnum = errno;
        if (there)
                (void)renameat(replaced_fd, name, target_fd, name);
        return error_set_errno(err, ERROR_INTERNAL, errnum, "cannot move the unpacked file into %s",
                               folder);
}

/* Unpacks into the subfolder "new" of our temporary folder, which is the current folder for that
 * time. */
static int unpack_within(const struct unpack *unpack, int own_fd, struct unpack_result *ret,
                         struct error **err)
{
        if (fs_make_dir_at(own_fd, "new", 0700, err) < 0)
                return -1;
        _cleanup_close_ int here_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int new_fd = fs_open_dir_at(own_fd, "new", err);
        if (new_fd < 0)
                return -1;
        if (here_fd < 0 || fchdir(new_fd) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot change into the folder to unpack into");
        int result = unpack_here(unpack, ret, err);
        if (fchdir(here_fd) < 0 && result == 0)
                return error_set_errno(
                        err, ERROR_INTERNAL, errno,
                        "cannot change back into the folder in which orch was started");
        return result;
}

int unpack_to_folder(const struct unpack *unpack, const char *folder, bool replace,
                     struct unpack_result *ret, struct error **err)
{
        _cleanup_close_ int target_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (target_fd < 0)
                return error_set_errno(err, ERROR_CONFIG, errno, "cannot write into %s", folder);
        if (!replace && is_there(target_fd, unpack->name))
                return already_there(folder, unpack->name, err);
        _cleanup_free_ char *own =
                xasprintf(".orch-files-%ld-%lld", (long)getpid(), (long long)clock_realtime_ms());
        if (mkdirat(target_fd, own, 0700) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot make the folder %s in %s", own, folder);
        _cleanup_close_ int own_fd = fs_open_dir_at(target_fd, own, err);
        int result = own_fd < 0 ? -1 : unpack_within(unpack, own_fd, ret, err);
        if (result == 0)
                result = move_into_place(own_fd, target_fd, folder, unpack->name, replace, err);
        _cleanup_error_ struct error *left = NULL;
        if (fs_remove_tree_at(target_fd, own, &left) < 0)
                strv_addf(&ret->warnings, "%s/%s could not be removed: %s", folder, own,
                          left->message);
        return result;
}
