/* Implements api-server.h by libmicrohttpd, in threads of its own. */
#include "api-server.h"

#include <criterion/criterion.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"

struct api_server {
        const struct api_answer *answers;
        struct MHD_Daemon *daemon;
        char *folder;
        char *socket;
        struct strbuf posted;
        size_t n_requests;
        bool stopping; /* lets streams that hang end */
};

struct script {
        struct api_server *server;
        const struct api_answer *answer;
        size_t next;
        size_t offset; /* in the text of the next chunk */
};

static void pause_ms(unsigned ms)
{
        struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
        nanosleep(&time, NULL);
}

static ssize_t read_script(void *data, _unused_ uint64_t position, char *buffer, size_t size)
{
        struct script *script = data;
        const struct api_chunk *chunk = &script->answer->chunks[script->next];
        if (!chunk->text) {
                while (script->answer->hangs &&
                       !__atomic_load_n(&script->server->stopping, __ATOMIC_SEQ_CST))
                        pause_ms(10);
                return script->answer->breaks ? MHD_CONTENT_READER_END_WITH_ERROR
                                              : MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (script->offset == 0)
                pause_ms(chunk->after_ms);
        size_t left = strlen(chunk->text) - script->offset;
        size_t length = left < size ? left : size;
        memcpy(buffer, chunk->text + script->offset, length);
        script->offset += length;
        if (length == left) {
                script->next++;
                script->offset = 0;
        }
        return (ssize_t)length;
}

static struct MHD_Response *make_response(struct api_server *server,
                                          const struct api_answer *answer)
{
        if (answer->chunks) {
                struct script *script = xcalloc(1, sizeof *script);
                *script = (struct script){ .server = server, .answer = answer };
                return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_script,
                                                         script, free);
        }
        return MHD_create_response_from_buffer(
                strlen(answer->json), (void *)(uintptr_t)answer->json, MHD_RESPMEM_PERSISTENT);
}

struct target {
        char *path; /* with the query */
        bool posting;
};

static void *note_uri(_unused_ void *data, const char *uri,
                      _unused_ struct MHD_Connection *connection)
{
        struct target *target = xcalloc(1, sizeof *target);
        target->path = xstrdup(uri);
        return target;
}

static void forget_uri(_unused_ void *data, _unused_ struct MHD_Connection *connection,
                       void **context, _unused_ enum MHD_RequestTerminationCode code)
{
        struct target *target = *context;
        if (target)
                free(target->path);
        free(target);
}

static bool is_answer_to(const struct api_answer *answer, const char *path, const char *posted)
{
        return streq(answer->path, path) && (!answer->posted || strstr(posted, answer->posted));
}

static enum MHD_Result answer_request(void *data, struct MHD_Connection *connection,
                                      _unused_ const char *url, const char *method,
                                      _unused_ const char *version, const char *upload,
                                      size_t *upload_size, void **context)
{
        static const struct api_answer not_found = { .status = 404, .json = "{}" };
        struct api_server *server = data;
        struct target *target = *context;
        if (streq(method, "POST") && !target->posting) {
                target->posting = true;
                strbuf_reset(&server->posted);
                return MHD_YES;
        }
        if (*upload_size) {
                strbuf_append(&server->posted, upload, *upload_size);
                *upload_size = 0;
                return MHD_YES;
        }
        const struct api_answer *answer = server->answers;
        while (answer->path && !is_answer_to(answer, target->path, api_server_posted(server)))
                answer++;
        server->n_requests++;
        if (!answer->path)
                answer = &not_found;
        struct MHD_Response *response = make_response(server, answer);
        enum MHD_Result result =
                MHD_queue_response(connection, answer->status ? answer->status : 200, response);
        MHD_destroy_response(response);
        return result;
}

struct api_server *api_server_start(const struct api_answer answers[])
{
        struct api_server *server = xcalloc(1, sizeof *server);
        server->answers = answers;
        server->folder = xstrdup("/tmp/orch-test-XXXXXX");
        cr_assert_not_null(mkdtemp(server->folder));
        server->socket = xasprintf("%s/sock", server->folder);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        strcpy(address.sun_path, server->socket);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        cr_assert_eq(listen(fd, 8), 0);
        server->daemon = MHD_start_daemon(
                MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL,
                answer_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK,
                note_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED, forget_uri, NULL, MHD_OPTION_END);
        cr_assert_not_null(server->daemon);
        return server;
}

struct api_server *api_server_stop(struct api_server *server)
{
        if (!server)
                return NULL;
        __atomic_store_n(&server->stopping, true, __ATOMIC_SEQ_CST);
        MHD_stop_daemon(server->daemon);
        unlink(server->socket);
        rmdir(server->folder);
        free(server->socket);
        free(server->folder);
        strbuf_done(&server->posted);
        free(server);
        return NULL;
}

const char *api_server_socket(const struct api_server *server)
{
        return server->socket;
}

size_t api_server_requests(const struct api_server *server)
{
        return server->n_requests;
}

const char *api_server_posted(const struct api_server *server)
{
        return server->posted.data ? server->posted.data : "";
}
