/* Runs a fuzz target over files instead of a fuzzer's inventions: the corpora, in every ordinary
 * test run.
 *
 * Each file is given as it is, and cut short at several places: a parser meets half-written files
 * too. The copy is exactly as long as the data, so that the sanitizers see one byte too many being
 * read. usage: replay FILE|FOLDER… */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILE_BYTES = 8 * 1024 * 1024, CUTS = 4 };

static size_t n_files;

static void run(const char *data, size_t size)
{
        _cleanup_free_ uint8_t *copy = size ? xmemdup(data, size) : NULL;
        LLVMFuzzerTestOneInput(copy ? copy : (const uint8_t *)"", size);
}

static int replay_file(const char *path)
{
        size_t length = 0;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *data = fs_read_file(path, MAX_FILE_BYTES, &length, &error);
        if (!data) {
                fprintf(stderr, "%s\n", error_message(error));
                return -1;
        }
        /* Said before, so that the last line before a crash names the file. */
        fprintf(stderr, "%s\n", path);
        for (size_t cut = 1; cut <= CUTS; cut++)
                run(data, length * cut / CUTS);
        n_files++;
        return 0;
}

static int replay(const char *path)
{
        struct stat st;
        if (stat(path, &st) < 0) {
                fprintf(stderr, "cannot stat %s\n", path);
                return -1;
        }
        if (!S_ISDIR(st.st_mode))
                return replay_file(path);
        _cleanup_(closedirp) DIR *dir = opendir(path);
        int r = dir ? 0 : -1;
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
                _cleanup_free_ char *below = path_join(path, entry->d_name);
                if (entry->d_name[0] != '.')
                        r = replay(below);
        }
        return r;
}

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (replay(argv[i]) < 0)
                        return 1;
        printf("%zu files replayed\n", n_files);
        return n_files > 0 ? 0 : 1;
}
