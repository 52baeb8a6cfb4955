/* `orch files ls|get`: lists and copies single files and folders of a point, read from the share
 * itself. Nothing is written to the share but a lease, which keeps the point from being pruned
 * meanwhile. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/offline/share-points.h"
#include "cli/offline/unpack.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "repository/leases.h"
#include "schema/json/json-fields.h"
#include "transports/guest-files/guest-files.h"

enum { OPEN_TIMEOUT_MS = 10 * 60 * 1000, MOST_LIST_BYTES = 256 * 1024 * 1024 };

#define WHICH_OPTIONS                                                                              \
        { .name = "disk",                                                                          \
          .value = "DISK",                                                                         \
          .help = "use this disk of the VM: vda, or vda:2 for its second partition" },             \
        {                                                                                          \
                .name = "device", .value = "DEVICE", .help = "use this logical volume: /dev/VG/LV" \
        }

#define WHICH_TEXT                                                                                 \
        "PATH is a path in the guest: its operating system is detected and mounted as its fstab "  \
        "says. If the disks hold no operating system, their only file system is used, or the one " \
        "that --disk or --device names. The point is not changed. An increment is read through "   \
        "its backing chain."

static const struct option_spec ls_options[] = { WHICH_OPTIONS, { 0 } };

const struct verb_manual manual_files_ls = {
        .arguments = "VM POINT PATH",
        .min_words = 3,
        .max_words = 3,
        .options = ls_options,
        .text = "Lists a folder inside a restore point, or shows one file: mode, owner, size, "
                "time, and the target of a symbolic link. Unprintable characters in names are "
                "shown as \\n, \\xHH.\n\n" WHICH_TEXT,
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED) |
                 MANUAL_EXIT(STATUS_CANCELLED),
        .example = "orch files ls prod-db-01 latest /etc",
};

static const struct option_spec get_options[] = {
        WHICH_OPTIONS,
        { .name = "force", .help = "replace an existing file or folder" },
        { .name = "privileged", .help = "keep device nodes, set-user-ID bits and capabilities" },
        { .name = "tar", .help = "write a tar archive to standard output instead" },
        { 0 },
};

const struct verb_manual manual_files_get = {
        .arguments = "VM POINT PATH [FOLDER]",
        .min_words = 3,
        .max_words = 4,
        .options = get_options,
        .text = "Copies a file, or a folder with all below it, out of a restore point into FOLDER "
                "(default: the current one), under its own name. It keeps owners (as numbers), "
                "modes, times, symbolic and hard links, holes, access lists and user attributes. A "
                "failed copy leaves nothing.\n\n" WHICH_TEXT,
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED) |
                 MANUAL_EXIT(STATUS_CANCELLED),
        .example = "orch files get prod-db-01 latest /etc/postgresql /tmp",
};

static volatile sig_atomic_t interrupted;

static void on_files_signal(int number _unused_)
{
        interrupted = 1;
}

static bool was_interrupted(void *data _unused_)
{
        return interrupted;
}

/* Ctrl-C ends the appliance and leaves no files. */
static void watch_files_signals(void)
{
        struct sigaction action = { .sa_handler = on_files_signal };
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
}

static void warn_of(char *const *warnings)
{
        for (size_t i = 0; warnings && warnings[i]; i++)
                log_warning("%s", warnings[i]);
}

/* The images of a point on the share. */
struct images {
        struct guest_image *items;
        size_t count;
};

static void images_done(struct images *images)
{
        for (size_t i = 0; i < images->count; i++)
                free((char *)images->items[i].path);
        free(images->items);
}

static int find_images(const struct share_points *points, const struct point *point,
                       struct images *images, struct error **err)
{
        if (point->problem)
                log_warning("%s is damaged: %s", point->path, point->problem);
        if (!point->metadata || point->metadata->n_disks == 0)
                return error_set(err, ERROR_CORRUPT, "%s has no disk that can be read",
                                 point->path);
        images->items = xcalloc(point->metadata->n_disks, sizeof *images->items);
        for (size_t i = 0; i < point->metadata->n_disks; i++) {
                const struct metadata_disk *disk = &point->metadata->disks[i];
                char *path = share_points_image(points, point, disk, err);
                if (!path)
                        return -1;
                images->items[images->count++] =
                        (struct guest_image){ disk->target, path, "qcow2" };
        }
        return 0;
}

/* What is held while files are read. The lease keeps the images' points from being pruned. */
struct reading {
        struct share_points points;
        struct lease *lease;
        struct guest_files *files;
};

static void reading_done(struct reading *reading)
{
        reading->files = guest_files_free(reading->files);
        reading->lease = lease_release(reading->lease);
        share_points_done(&reading->points);
}

/* Takes the lease. A share that is read-only for this machine, or full, is read without one. */
static int take_point_lease(struct reading *reading, const struct point *point, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_strv_ char **names = share_points_chain(&reading->points, point);
        _cleanup_free_ char *job =
                xasprintf("files-%ld-%lld", (long)getpid(), (long long)clock_realtime_ms());
        reading->lease = lease_take(reading->points.repository, point->hypervisor, point->vm, names,
                                    job, LEASE_OF_PROCESS, &error);
        if (reading->lease)
                return 0;
        if (!lease_cannot_be_written(error))
                return error_propagate(err, TAKE_PTR(error));
        log_warning("the point is not protected from pruning while it is read: %s", error->message);
        return 0;
}

/* Finds the point and starts the appliance on its images. */
static int start_reading(const struct cli *cli, enum guest_files_action action,
                         struct reading *reading, struct error **err)
{
        const char **words = cli->options->words;
        if (guest_files_check(err) < 0)
                return -1;
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return error_set(err, ERROR_CONFIG, "no point was read");
        _cleanup_(images_done) struct images images = { 0 };
        if (share_points_read(settings, &reading->points, err) < 0)
                return -1;
        const struct point *point = share_points_find(&reading->points, words[0], words[1], err);
        watch_files_signals();
        if (!point || take_point_lease(reading, point, err) < 0 ||
            find_images(&reading->points, point, &images, err) < 0)
                return -1;
        struct guest_files_request request = {
                .action = action,
                .images = images.items,
                .n_images = images.count,
                .disk = options_get(cli->options, "disk"),
                .device = options_get(cli->options, "device"),
                .path = words[2],
                .open_timeout_ms = OPEN_TIMEOUT_MS,
                .stall_timeout_ms = (int64_t)settings->limits.copy_stall_seconds * 1000,
                .cancelled = was_interrupted,
        };
        reading->files = guest_files_open(&request, err);
        if (!reading->files)
                return -1;
        warn_of(guest_files_warnings(reading->files));
        return 0;
}

static json_t *read_file_list(struct guest_files *files, struct error **err)
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        char chunk[65536];
        ssize_t n;
        while ((n = guest_files_read(files, chunk, sizeof chunk, err)) > 0) {
                if (text.length > MOST_LIST_BYTES) {
                        error_set(err, ERROR_CORRUPT, "the list is too long for any folder");
                        return NULL;
                }
                strbuf_append(&text, chunk, (size_t)n);
        }
        if (n < 0)
                return NULL;
        json_t *list = json_loadb(text.data ? text.data : "", text.length, 0, NULL);
        if (!json_is_array(list)) {
                json_decref(list);
                error_set(err, ERROR_CORRUPT,
                          "the disk images returned something that is not a list");
                return NULL;
        }
        return list;
}

/* The mode as `ls -l` prints it: "drwxr-xr-t". */
static void mode_text(const json_t *entry, char text[11])
{
        static const struct {
                const char *type;
                char letter;
        } letters[] = { { "folder", 'd' },    { "symlink", 'l' }, { "block", 'b' },
                        { "character", 'c' }, { "fifo", 'p' },    { "socket", 's' } };
        unsigned long mode = strtoul(value_text(entry, "mode"), NULL, 8);
        strcpy(text, "-rwxrwxrwx");
        for (size_t i = 0; i < ARRAY_LENGTH(letters); i++)
                if (streq(value_text(entry, "type"), letters[i].type))
                        text[0] = letters[i].letter;
        for (unsigned bit = 0; bit < 9; bit++)
                if (!(mode & (1UL << bit)))
                        text[9 - bit] = '-';
        if (mode & S_ISUID)
                text[3] = text[3] == 'x' ? 's' : 'S';
        if (mode & S_ISGID)
                text[6] = text[6] == 'x' ? 's' : 'S';
        if (mode & S_ISVTX)
                text[9] = text[9] == 'x' ? 't' : 'T';
}

static char *list_table(const json_t *list)
{
        static const char *const headers[] = { "MODE",     ">LINKS", "OWNER", ">SIZE",
                                               "MODIFIED", "NAME",   NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *entry;
        for (size_t i = 0; (entry = json_array_get(list, i)); i++) {
                char mode[11];
                mode_text(entry, mode);
                _cleanup_free_ char *modified = value_local_time(entry, "modified");
                const char *target = value_text(entry, "target");
                table_cell(table, mode);
                table_cellf(table, "%lld", (long long)value_integer(entry, "links", 0));
                table_cellf(table, "%lld:%lld", (long long)value_integer(entry, "uid", 0),
                            (long long)value_integer(entry, "gid", 0));
                if (*value_text(entry, "device"))
                        table_cell(table, value_text(entry, "device"));
                else
                        table_cellf(table, "%lld", (long long)value_integer(entry, "size", 0));
                table_cell(table, modified);
                table_cellf(table, "%s%s%s", value_text(entry, "name"), *target ? " -> " : "",
                            target);
        }
        return table_format(table);
}

int verb_files_ls(const struct cli *cli, struct error **err)
{
        _cleanup_(reading_done) struct reading reading = { 0 };
        if (start_reading(cli, GUEST_FILES_LIST, &reading, err) < 0)
                return STATUS_FROM_ERROR;
        _cleanup_json_ json_t *list = read_file_list(reading.files, err);
        if (!list)
                return STATUS_FROM_ERROR;
        if (cli->json)
                return cli_printed(output_json(list));
        if (json_array_size(list) == 0)
                return cli_printed(output_line("the folder is empty"));
        _cleanup_free_ char *table = list_table(list);
        return cli_printed(output_text(table));
}

static ssize_t read_tar(void *data, void *buffer, size_t size, struct error **err)
{
        return guest_files_read(data, buffer, size, err);
}

/* The last component of a path; NULL if it is not a file name ("/", "..", "a/."). The caller frees.
 */
static char *last_component(const char *path)
{
        size_t end = strlen(path);
        while (end > 0 && path[end - 1] == '/')
                end--;
        size_t begin = end;
        while (begin > 0 && path[begin - 1] != '/')
                begin--;
        _cleanup_free_ char *name = xstrndup(path + begin, end - begin);
        return !*name || streq(name, ".") || streq(name, "..") ? NULL : TAKE_PTR(name);
}

static int print_got(const struct cli *cli, const char *path, const struct unpack_result *result)
{
        if (cli->json) {
                json_t *warnings = json_array();
                for (size_t i = 0; result->warnings && result->warnings[i]; i++)
                        json_array_append_new(warnings, json_string(result->warnings[i]));
                _cleanup_free_ char *shown = str_one_line(path, 4096);
                _cleanup_json_ json_t *json = json_pack(
                        "{s:s, s:I, s:I, s:o}", "path", shown, "files", (json_int_t)result->files,
                        "bytes", (json_int_t)result->bytes, "warnings", warnings);
                return cli_printed(output_json(json));
        }
        _cleanup_free_ char *bytes = format_bytes(result->bytes);
        _cleanup_free_ char *files = format_count((int64_t)result->files, "file");
        _cleanup_free_ char *line = xasprintf("%s: %s, %s", path, files, bytes);
        return cli_printed(output_line(line));
}

static int get_folder_or_file(const struct cli *cli, const struct unpack *unpack,
                              const char *folder, struct error **err)
{
        _cleanup_unpack_result_ struct unpack_result result = { 0 };
        bool tar = options_has(cli->options, "tar");
        int status = tar ? unpack_to_tar(unpack, STDOUT_FILENO, &result, err)
                         : unpack_to_folder(unpack, folder, options_has(cli->options, "force"),
                                            &result, err);
        warn_of(result.warnings);
        if (status < 0)
                return STATUS_FROM_ERROR;
        _cleanup_free_ char *path = path_join(folder, unpack->name);
        return tar ? STATUS_OK : print_got(cli, path, &result);
}

/* Checks the target before anything is started. */
static int check_files_target(const struct cli *cli, const char *folder, const char *name,
                              struct error **err)
{
        struct stat st;
        if (options_has(cli->options, "tar")) {
                if (cli->options->n_words > 3 || cli->json || isatty(STDOUT_FILENO))
                        return error_set(err, ERROR_CONFIG,
                                         "--tar writes an archive to standard output: it cannot be "
                                         "combined with FOLDER or --json, or with a terminal");
                return 0;
        }
        _cleanup_free_ char *path = path_join(folder, name);
        if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
                return error_set(err, ERROR_CONFIG, "%s is not a folder", folder);
        if (!options_has(cli->options, "force") && lstat(path, &st) == 0)
                return error_set(err, ERROR_REFUSED, "%s exists already; --force replaces it",
                                 path);
        return 0;
}

int verb_files_get(const struct cli *cli, struct error **err)
{
        const char **words = cli->options->words;
        const char *folder = cli->options->n_words > 3 ? words[3] : ".";
        _cleanup_free_ char *component = last_component(words[2]);
        const char *name = component ? component : words[0];
        _cleanup_(reading_done) struct reading reading = { 0 };
        if (check_files_target(cli, folder, name, err) < 0 ||
            start_reading(cli, GUEST_FILES_TAR, &reading, err) < 0)
                return STATUS_FROM_ERROR;
        bool is_folder = guest_files_is_folder(reading.files);
        struct unpack unpack = {
                .read = read_tar,
                .data = reading.files,
                .is_folder = is_folder,
                .member = is_folder ? NULL : name,
                .name = name,
                .privileged = options_has(cli->options, "privileged"),
        };
        return get_folder_or_file(cli, &unpack, folder, err);
}
