/* Archives as a hostile guest could make them: whatever they name, nothing outside of the folder is
 * written, and what fails leaves nothing. */
#include <archive.h>
#include <archive_entry.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/offline/unpack.h"

struct member {
        const char *name;
        unsigned type;
        mode_t mode;
        const char *content; /* of a file; where a link leads */
        bool hard;
};

struct tar {
        char data[65536];
        size_t length;
        size_t done;
        bool fails; /* at its end */
};

static ssize_t read_tar(void *data, void *buffer, size_t size, struct error **err)
{
        struct tar *tar = data;
        size_t left = tar->length - tar->done;
        if (left == 0 && tar->fails)
                return error_set(err, ERROR_TIMEOUT, "the share hangs");
        size_t n = left < size ? left : size;
        memcpy(buffer, tar->data + tar->done, n);
        tar->done += n;
        return (ssize_t)n;
}

static void make_tar(struct tar *tar, const struct member members[])
{
        struct archive *archive = archive_write_new();
        archive_write_set_format_pax(archive);
        archive_write_open_memory(archive, tar->data, sizeof tar->data, &tar->length);
        for (; members->name; members++) {
                struct archive_entry *entry = archive_entry_new();
                archive_entry_set_pathname(entry, members->name);
                archive_entry_set_filetype(entry, members->type);
                archive_entry_set_perm(entry, members->mode);
                archive_entry_set_uid(entry, getuid());
                archive_entry_set_gid(entry, getgid());
                bool file = members->type == AE_IFREG && !members->hard;
                if (members->hard)
                        archive_entry_set_hardlink(entry, members->content);
                if (members->type == AE_IFLNK)
                        archive_entry_set_symlink(entry, members->content);
                archive_entry_set_size(entry, file ? (la_int64_t)strlen(members->content) : 0);
                cr_assert_eq(archive_write_header(archive, entry), ARCHIVE_OK, "%s",
                             archive_error_string(archive));
                if (file)
                        archive_write_data(archive, members->content, strlen(members->content));
                archive_entry_free(entry);
        }
        cr_assert_eq(archive_write_close(archive), ARCHIVE_OK);
        archive_write_free(archive);
}

/* A folder "outside" with a file that must stay as it is, and "target" beside it. */
struct place {
        char top[32];
        char *target;
        char *victim;
};

static void place_init(struct place *place)
{
        strcpy(place->top, "/tmp/orch-test-XXXXXX");
        cr_assert_not_null(mkdtemp(place->top));
        place->target = path_join(place->top, "target");
        place->victim = path_join(place->top, "victim");
        cr_assert_eq(mkdir(place->target, 0700), 0);
        cr_assert_eq(fs_write_file(place->victim, 0600, "mine", 4, NULL), 0);
}

static void place_done(struct place *place)
{
        _cleanup_free_ char *victim = fs_read_file(place->victim, 100, NULL, NULL);
        cr_expect_str_eq(victim, "mine");
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, place->top, NULL), 0);
        free(place->target);
        free(place->victim);
}

static int unpack_members(const struct place *place, const struct member members[], bool replace,
                          struct error **err)
{
        static struct tar tar;
        tar = (struct tar){ 0 };
        make_tar(&tar, members);
        struct unpack unpack = { .read = read_tar, .data = &tar, .is_folder = true, .name = "got" };
        _cleanup_unpack_result_ struct unpack_result result = { 0 };
        return unpack_to_folder(&unpack, place->target, replace, &result, err);
}

static size_t entries_in(const char *folder)
{
        size_t count = 0;
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        cr_assert_not_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));)
                count += !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
        return count;
}

static const struct member folder = { "./", AE_IFDIR, 0755, NULL, false };

Test(unpack, an_archive_that_leads_outside_is_refused_and_leaves_nothing)
{
        const struct member attacks[][4] = {
                { folder,
                  { "./link", AE_IFLNK, 0777, "../../..", false },
                  { "./link/victim", AE_IFREG, 0644, "theirs", false } },
                { folder, { "../victim", AE_IFREG, 0644, "theirs", false } },
                { folder, { "./a/../../../../victim", AE_IFREG, 0644, "theirs", false } },
                { folder, { "/tmp/victim", AE_IFREG, 0644, "theirs", false } },
                { folder,
                  { "./hard", AE_IFREG, 0644, "../../../victim", true },
                  { "./hard", AE_IFREG, 0644, "theirs", false } },
                { folder, { "./hard", AE_IFREG, 0644, "./../../../victim", true } },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(attacks); i++) {
                struct place place;
                place_init(&place);
                _cleanup_error_ struct error *error = NULL;
                struct member members[5] = { 0 };
                memcpy(members, attacks[i], sizeof attacks[i]);
                cr_expect_eq(unpack_members(&place, members, false, &error), -1, "attack %zu", i);
                cr_expect_eq(entries_in(place.target), 0, "attack %zu leaves something", i);
                place_done(&place);
        }
}

Test(unpack, what_is_there_stays_unless_it_is_to_be_replaced)
{
        struct place place;
        place_init(&place);
        _cleanup_free_ char *got = path_join(place.target, "got");
        _cleanup_free_ char *file = path_join(got, "file");
        cr_assert_eq(symlink(place.top, got), 0);
        const struct member members[] = { folder,
                                          { "./file", AE_IFREG, 0644, "new", false },
                                          { 0 } };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(unpack_members(&place, members, false, &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert_eq(unpack_members(&place, members, true, NULL), 0);
        struct stat st;
        cr_assert_eq(lstat(got, &st), 0);
        cr_assert(S_ISDIR(st.st_mode));
        _cleanup_free_ char *content = fs_read_file(file, 100, NULL, NULL);
        cr_assert_str_eq(content, "new");
        cr_assert_eq(entries_in(place.target), 1);
        place_done(&place);
}

Test(unpack, a_source_that_fails_at_its_end_leaves_what_was_there)
{
        struct place place;
        place_init(&place);
        _cleanup_free_ char *got = path_join(place.target, "got");
        cr_assert_eq(fs_write_file(got, 0600, "old", 3, NULL), 0);
        struct tar *tar = xcalloc(1, sizeof *tar);
        make_tar(tar, (const struct member[]){ { "./name", AE_IFREG, 0644, "new", false },
                                               { "./other", AE_IFREG, 0644, "no", false },
                                               { 0 } });
        struct unpack unpack = { .read = read_tar, .data = tar, .member = "name", .name = "got" };
        _cleanup_unpack_result_ struct unpack_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        tar->fails = true;
        cr_assert_eq(unpack_to_folder(&unpack, place.target, true, &result, &error), -1);
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        _cleanup_free_ char *old = fs_read_file(got, 100, NULL, NULL);
        cr_assert_str_eq(old, "old");
        unpack_result_done(&result);
        tar->fails = false;
        tar->done = 0;
        cr_assert_eq(unpack_to_folder(&unpack, place.target, true, &result, NULL), 0);
        _cleanup_free_ char *new = fs_read_file(got, 100, NULL, NULL);
        cr_assert_str_eq(new, "new");
        cr_assert_eq(result.files, 1);
        cr_assert_eq(entries_in(place.target), 1);
        free(tar);
        place_done(&place);
}
