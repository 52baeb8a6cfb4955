/* Implements transports/webhook.h. libcurl's own error texts name hosts and addresses, so only its
 * fixed text for each kind of error is used. A complete header decides whether the server has
 * answered: if only the body breaks off after "200", the message must not be sent again. */
#include "transports/webhook.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum {
        ANSWER_SHOWN_BYTES = 200,
        ANSWER_MAX_BYTES = 64 << 10,
        PART_MIN_BYTES = 6,
        CONNECT_TIMEOUT_MS = 10000
};

#define SCHEME "https://"

struct answer {
        const struct webhook_request *request;
        struct strbuf start; /* the first ANSWER_SHOWN_BYTES of the body */
        size_t body_bytes;
        bool header_complete;
};

void webhook_result_done(struct webhook_result *result)
{
        free(result->error);
        *result = (struct webhook_result){ 0 };
}

enum webhook_outcome webhook_classify(long status)
{
        if (status >= 200 && status < 300)
                return WEBHOOK_ACCEPTED;
        if (status == 408 || status == 425 || status == 429 || status >= 500 || status < 100)
                return WEBHOOK_RETRY;
        return WEBHOOK_REFUSED;
}

bool webhook_text_tells(const char *text, const struct secret *address)
{
        const char *rest = secret_expose(address);
        if (strncasecmp(rest, SCHEME, strlen(SCHEME)) == 0)
                rest += strlen(SCHEME);
        while (*rest) {
                size_t length = strcspn(rest, "/?&=#");
                if (length >= PART_MIN_BYTES && memmem(text, strlen(text), rest, length))
                        return true;
                rest += length + (rest[length] != '\0');
        }
        return false;
}

static size_t on_answer_body(char *data, size_t size, size_t count, void *pointer)
{
        struct answer *answer = pointer;
        size_t length = size * count;
        size_t room = answer->start.length < ANSWER_SHOWN_BYTES
                              ? ANSWER_SHOWN_BYTES - answer->start.length
                              : 0;
        strbuf_append(&answer->start, data, length < room ? length : room);
        answer->body_bytes += length;
        return answer->body_bytes > ANSWER_MAX_BYTES ? 0 : length;
}

/* "100 Continue" with its own end of header may precede the answer; the next status line starts a
 * new header. */
static size_t on_header(char *data, size_t size, size_t count, void *pointer)
{
        struct answer *answer = pointer;
        size_t length = size * count;
        answer->header_complete = length <= 2 && (data[0] == '\r' || data[0] == '\n');
        return length;
}

static int on_transfer_progress(void *pointer, curl_off_t a, curl_off_t b, curl_off_t c,
                                curl_off_t d)
{
        const struct answer *answer = pointer;
        (void)a;
        (void)b;
        (void)c;
        (void)d;
        return answer->request->cancelled && answer->request->cancelled(answer->request->data);
}

static const char *ca_file_of(const struct webhook_request *request)
{
        const char *environment = getenv("SSL_CERT_FILE");
        if (request->ca_file)
                return request->ca_file;
        return str_empty(environment) ? NULL : environment;
}

static struct curl_slist *make_headers(const struct webhook_request *request)
{
        struct curl_slist *headers =
                curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
        headers = curl_slist_append(headers, "Expect:");
        if (request->id) {
                _cleanup_free_ char *line = xasprintf("Idempotency-Key: %s", request->id);
                headers = curl_slist_append(headers, line);
        }
        return headers;
}

/* Sets all options. False if this libcurl lacks one of them: then nothing is sent. */
static bool set_up_transfer(CURL *curl, const struct webhook_request *request,
                            struct curl_slist *headers, struct answer *answer)
{
        const char *ca_file = ca_file_of(request);
        bool ok = curl_easy_setopt(curl, CURLOPT_URL, secret_expose(request->address)) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
        ok = ok &&
             curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
        ok = ok && (!ca_file || curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK);
        ok = ok && (!request->ca_file || curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK);
        ok = ok && curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
        ok = ok &&
             curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) ==
                           CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_USERAGENT, "orch/" ORCH_VERSION) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                    (curl_off_t)strlen(request->body)) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer_body) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer) == CURLE_OK;
        ok = ok && curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
        ok = ok &&
             curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_transfer_progress) == CURLE_OK;
        return ok && curl_easy_setopt(curl, CURLOPT_XFERINFODATA, answer) == CURLE_OK;
}

static void refuse_address(struct webhook_result *ret, const char *why)
{
        ret->outcome = WEBHOOK_REFUSED;
        ret->error = xstrdup(why);
}

static void judge_failure(CURLcode code, struct webhook_result *ret)
{
        ret->outcome = WEBHOOK_RETRY;
        if (code == CURLE_ABORTED_BY_CALLBACK)
                ret->error = xstrdup("the delivery was cancelled");
        else if (code == CURLE_OPERATION_TIMEDOUT)
                ret->error = xstrdup("the server did not answer in time");
        else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
                ret->error = xasprintf("the server's certificate is not trusted (%s); set ca_file "
                                       "for a private certificate authority",
                                       curl_easy_strerror(code));
        else
                ret->error = xasprintf("no connection: %s", curl_easy_strerror(code));
}

static void judge_answer(CURL *curl, const struct answer *answer, struct webhook_result *ret)
{
        curl_off_t retry_after = 0;
        (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
        if (retry_after > 0)
                ret->retry_after_seconds = retry_after < WEBHOOK_RETRY_AFTER_MAX_SECONDS
                                                   ? (int64_t)retry_after
                                                   : WEBHOOK_RETRY_AFTER_MAX_SECONDS;
        ret->outcome = webhook_classify(ret->status);
        if (ret->outcome == WEBHOOK_ACCEPTED)
                return;
        _cleanup_free_ char *said =
                str_one_line(answer->start.data ? answer->start.data : "", ANSWER_SHOWN_BYTES);
        bool show = *said && !webhook_text_tells(said, answer->request->address);
        ret->error = xasprintf("the server answered %ld%s%s", ret->status, show ? ": " : "",
                               show ? said : "");
}

static void perform_post(CURL *curl, struct answer *answer, struct webhook_result *ret)
{
        struct curl_slist *headers = make_headers(answer->request);
        if (!set_up_transfer(curl, answer->request, headers, answer)) {
                refuse_address(ret, "libcurl does not accept the address, or has no TLS");
        } else {
                CURLcode code = curl_easy_perform(curl);
                if (answer->header_complete)
                        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
                if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
                        refuse_address(ret, "the address is not a valid https:// address");
                else if (ret->status)
                        judge_answer(curl, answer, ret);
                else
                        judge_failure(code, ret);
        }
        curl_slist_free_all(headers);
}

void webhook_post(const struct webhook_request *request, struct webhook_result *ret)
{
        *ret = (struct webhook_result){ 0 };
        if (strncasecmp(secret_expose(request->address), SCHEME, strlen(SCHEME)) != 0) {
                refuse_address(ret, "the address does not begin with https://");
                return;
        }
        if (strlen(request->body) > WEBHOOK_BODY_MAX_BYTES) {
                refuse_address(ret, "the message is too long");
                return;
        }
        struct answer answer = { .request = request };
        CURL *curl = curl_easy_init();
        if (!curl)
                refuse_address(ret, "libcurl cannot be used");
        else
                perform_post(curl, &answer, ret);
        curl_easy_cleanup(curl);
        strbuf_done(&answer.start);
}
