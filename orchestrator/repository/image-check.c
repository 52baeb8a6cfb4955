/* Implements repository/image-check.h. `qemu-img check` opens the backing file and `qemu-img info`
 * does not. So `info` runs first, and the name of the backing file is verified before anything
 * opens it. */
#include "repository/image-check.h"

#include <string.h>

#include "base/child.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

/* The supervisor detects a stall. This limit only keeps a child from outliving every other process.
 */
enum {
        QEMU_IMG_TIMEOUT_MS = 6 * 3600 * 1000,
        QEMU_IMG_MAX_OUTPUT = 1024 * 1024,
        EXIT_CORRUPT = 2,
        EXIT_LEAKS = 3,
        EXIT_NOT_FOUND = 127
};

static int run_qemu_img(const char *const argv[], bool (*cancelled)(void *data), void *data,
                        struct child_result *ret, struct error **err)
{
        struct child_options options = {
                .timeout_ms = QEMU_IMG_TIMEOUT_MS,
                .max_output = QEMU_IMG_MAX_OUTPUT,
                .cancelled = cancelled,
                .data = data,
        };
        if (child_run(argv, &options, ret, err) < 0)
                return -1;
        if (ret->status == EXIT_NOT_FOUND)
                return error_set(err, ERROR_INTERNAL,
                                 "qemu-img cannot be run on this host; install it (Debian: "
                                 "qemu-utils, RHEL: qemu-img)");
        if (ret->status > 128)
                return error_set(err, ERROR_INTERNAL, "qemu-img was ended by signal %d",
                                 ret->status - 128);
        return 0;
}

static json_t *parse_json(const char *text, const char *what, const char *path, struct error **err)
{
        json_error_t error;
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!json)
                error_set(err, ERROR_INTERNAL,
                          "qemu-img %s of %s printed something that is not JSON: %s", what, path,
                          error.text);
        return json;
}

static int judge_backing(const char *found, const char *expected, const char *path,
                         struct error **err)
{
        if (streq(found, expected))
                return 0;
        if (!expected)
                return error_set(err, ERROR_CORRUPT,
                                 "%s has the backing file \"%s\" but must have none", path, found);
        return error_set(err, ERROR_CORRUPT, "%s has the backing file \"%s\", expected \"%s\"",
                         path, found ? found : "(none)", expected);
}

int image_judge_info(const char *text, const char *path, const struct image_expectation *expected,
                     struct error **err)
{
        _cleanup_json_ json_t *json = parse_json(text, "info", path, err);
        if (!json)
                return -1;
        const char *format = NULL;
        const char *backing = NULL;
        const char *data_file = NULL;
        json_int_t virtual_bytes = 0;
        int corrupt = 0;
        json_error_t error;
        if (json_unpack_ex(json, &error, 0, "{s:s, s:I, s?s, s?{s?{s?s, s?b}}}", "format", &format,
                           "virtual-size", &virtual_bytes, "backing-filename", &backing,
                           "format-specific", "data", "data-file", &data_file, "corrupt",
                           &corrupt) < 0)
                return error_set(err, ERROR_INTERNAL,
                                 "qemu-img info of %s printed unexpected JSON: %s", path,
                                 error.text);
        if (!streq(format, "qcow2"))
                return error_set(err, ERROR_CORRUPT, "%s has the format %s, not qcow2", path,
                                 format);
        if (corrupt)
                return error_set(err, ERROR_CORRUPT, "%s is marked as corrupt by QEMU", path);
        if (data_file)
                return error_set(err, ERROR_CORRUPT, "%s keeps its data in another file (\"%s\")",
                                 path, data_file);
        if (virtual_bytes < 0 || (uint64_t)virtual_bytes != expected->virtual_bytes)
                return error_set(err, ERROR_CORRUPT,
                                 "%s has a virtual size of %jd bytes, expected %ju", path,
                                 (intmax_t)virtual_bytes, (uintmax_t)expected->virtual_bytes);
        return judge_backing(backing, expected->backing_file, path, err);
}

int image_judge_check(const char *text, int status, const char *path, struct error **err)
{
        _cleanup_json_ json_t *json = parse_json(text, "check", path, err);
        if (!json)
                return -1;
        json_int_t check_errors = 0;
        json_int_t corruptions = 0;
        json_int_t leaks = 0;
        json_error_t error;
        if (json_unpack_ex(json, &error, 0, "{s:I, s?I, s?I}", "check-errors", &check_errors,
                           "corruptions", &corruptions, "leaks", &leaks) < 0)
                return error_set(err, ERROR_INTERNAL,
                                 "qemu-img check of %s printed unexpected JSON: %s", path,
                                 error.text);
        if (status == EXIT_CORRUPT || corruptions > 0)
                return error_set(err, ERROR_CORRUPT,
                                 "%s is corrupt: qemu-img check found %jd errors", path,
                                 (intmax_t)corruptions);
        if (check_errors > 0)
                return error_set(
                        err, ERROR_CORRUPT,
                        "%s cannot be checked completely: qemu-img check failed at %jd places",
                        path, (intmax_t)check_errors);
        if (status != 0 && status != EXIT_LEAKS)
                return error_set(err, ERROR_INTERNAL, "qemu-img check of %s ended with status %d",
                                 path, status);
        if (leaks > 0)
                log_debug("%s: qemu-img check found %jd leaked clusters, which only waste space",
                          path, (intmax_t)leaks);
        return 0;
}

int image_check_header(const char *path, const struct image_expectation *expected,
                       bool (*cancelled)(void *data), void *data, struct error **err)
{
        _cleanup_child_result_ struct child_result info = { 0 };
        const char *const info_argv[] = { "qemu-img", "info", "--output=json", "-f", "qcow2", "--",
                                          path,       NULL };
        if (run_qemu_img(info_argv, cancelled, data, &info, err) < 0)
                return -1;
        if (info.status != 0) {
                _cleanup_free_ char *said = str_one_line(info.errors, 500);
                return error_set(err, ERROR_CORRUPT, "%s cannot be opened as a qcow2 image: %s",
                                 path, said);
        }
        return image_judge_info(info.output, path, expected, err);
}

int image_check(const char *path, const struct image_expectation *expected,
                bool (*cancelled)(void *data), void *data, struct error **err)
{
        if (image_check_header(path, expected, cancelled, data, err) < 0)
                return -1;
        _cleanup_child_result_ struct child_result check = { 0 };
        const char *const check_argv[] = { "qemu-img", "check", "--output=json",
                                           "-f",       "qcow2", "--",
                                           path,       NULL };
        if (run_qemu_img(check_argv, cancelled, data, &check, err) < 0)
                return -1;
        if (str_empty(check.output)) {
                _cleanup_free_ char *said = str_one_line(check.errors, 500);
                return error_set(err, ERROR_CORRUPT, "%s cannot be checked: %s", path, said);
        }
        return image_judge_check(check.output, check.status, path, err);
}
