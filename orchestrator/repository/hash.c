/* Implements repository/hash.h. One thread is enough: the kernel reads ahead while a chunk is
 * hashed, and a chunk of this size is still in the processor's cache at that time. The read-ahead
 * is set here explicitly: the kernel's default of a few hundred KiB makes the share and the
 * processor wait for each other over a network. */
#include "repository/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/staging.h"

enum {
        CHUNK_BYTES = 256 * 1024,
        PROGRESS_MS = 100,
        AHEAD_STEP_BYTES = 1024 * 1024,
        AHEAD_BYTES = 16 * AHEAD_STEP_BYTES
};

static inline void evp_md_ctx_freep(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

static char *to_hex(const unsigned char *digest, unsigned length)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        for (unsigned i = 0; i < length; i++)
                strbuf_addf(&buf, "%02x", digest[i]);
        return strbuf_take(&buf);
}

static int hash_report(const struct staging_progress *progress, const char *name, uint64_t done,
                       uint64_t total, struct error **err)
{
        if (progress && progress->cancelled && progress->cancelled(progress->data))
                return error_set(err, ERROR_CANCELLED,
                                 "verifying %s was stopped: the job was cancelled", name);
        if (progress && progress->on_bytes)
                progress->on_bytes(done, total, progress->data);
        return 0;
}

static void read_ahead(int fd, uint64_t done, uint64_t size_bytes, uint64_t *asked)
{
        for (; *asked < size_bytes && *asked < done + AHEAD_BYTES; *asked += AHEAD_STEP_BYTES)
                (void)posix_fadvise(fd, (off_t)*asked, AHEAD_STEP_BYTES, POSIX_FADV_WILLNEED);
}

/* Feeds the whole file into the digest. Returns 0 or -1. */
static int feed_file(EVP_MD_CTX *context, int fd, const char *name, uint64_t size_bytes,
                     const struct staging_progress *progress, uint64_t *ret_bytes,
                     struct error **err)
{
        _cleanup_free_ unsigned char *chunk = xmalloc(CHUNK_BYTES);
        uint64_t done = 0;
        uint64_t asked = 0;
        int64_t reported_ms = 0;
        for (;;) {
                read_ahead(fd, done, size_bytes, &asked);
                int64_t now_ms = clock_monotonic_ms();
                if (now_ms - reported_ms >= PROGRESS_MS) {
                        if (hash_report(progress, name, done, size_bytes, err) < 0)
                                return -1;
                        reported_ms = now_ms;
                }
                ssize_t n = read(fd, chunk, CHUNK_BYTES);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(err, ERROR_INTERNAL, errno,
                                               "cannot read %s after %ju bytes", name,
                                               (uintmax_t)done);
                if (n == 0)
                        break;
                if (EVP_DigestUpdate(context, chunk, (size_t)n) != 1)
                        return error_set(err, ERROR_INTERNAL, "SHA-256 failed in OpenSSL");
                done += (uint64_t)n;
        }
        *ret_bytes = done;
        return hash_report(progress, name, done, size_bytes, err);
}

char *hash_file(int fd, const char *name, uint64_t size_bytes,
                const struct staging_progress *progress, uint64_t *ret_bytes, struct error **err)
{
        _cleanup_(evp_md_ctx_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
                error_set(err, ERROR_INTERNAL, "OpenSSL does not provide SHA-256");
                return NULL;
        }
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        uint64_t bytes = 0;
        if (feed_file(context, fd, name, size_bytes, progress, &bytes, err) < 0)
                return NULL;
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        if (EVP_DigestFinal_ex(context, digest, &length) != 1) {
                error_set(err, ERROR_INTERNAL, "SHA-256 failed in OpenSSL");
                return NULL;
        }
        *ret_bytes = bytes;
        return to_hex(digest, length);
}

char *hash_bytes(const void *data, size_t length, struct error **err)
{
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned digest_length = 0;
        if (EVP_Digest(data, length, digest, &digest_length, EVP_sha256(), NULL) != 1) {
                error_set(err, ERROR_INTERNAL, "SHA-256 failed in OpenSSL");
                return NULL;
        }
        return to_hex(digest, digest_length);
}
