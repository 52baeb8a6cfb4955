/* A guest agent that lies about the freeze: between the port that the hypervisor talks to and the
 * real agent, which listens on a socket.
 *
 *   lying-agent PORT SOCKET error     the freeze is done, and answered with an error
 *   lying-agent PORT SOCKET nothing   the freeze is not done, and answered as if it had been
 *
 * All else passes through as it comes. */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char line[1 << 20]; /* what one side has said since its last newline */
static size_t length;
static bool lie;

static void put(int fd, const char *data, size_t size)
{
        while (size) {
                ssize_t n = write(fd, data, size);
                if (n <= 0)
                        return;
                data += n;
                size -= (size_t)n;
        }
}

static void say(int fd, const char *text)
{
        put(fd, text, strlen(text));
}

static int connect_to(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        strncpy(address.sun_path, path, sizeof address.sun_path - 1);
        for (int i = 0; i < 200; i++) {
                int fd = socket(AF_UNIX, SOCK_STREAM, 0);
                if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                        return fd;
                close(fd);
                usleep(50 * 1000);
        }
        exit(1);
}

/* A request is a line, or has none at its end: it is looked for in what came so far. */
static void from_port(int port, int agent, bool freezes)
{
        static char window[256];
        char data[4096];
        ssize_t n = read(port, data, sizeof data - 1);
        if (n <= 0) {
                usleep(100 * 1000); /* nobody is at the other end */
                return;
        }
        data[n] = '\0';
        size_t kept = strlen(window);
        if (kept > 128) {
                memmove(window, window + kept - 64, 65);
                kept = 64;
        }
        strncat(window, data, sizeof window - kept - 1);
        if (strstr(window, "guest-fsfreeze-freeze")) {
                window[0] = '\0';
                if (!freezes) {
                        say(port, "{\"return\": 2}\n");
                        return;
                }
                lie = true;
        }
        put(agent, data, (size_t)n);
}

static void from_agent(int agent, int port)
{
        char c;
        if (read(agent, &c, 1) != 1)
                exit(0);
        line[length++] = c;
        if (c != '\n' && length < sizeof line)
                return;
        if (lie)
                say(port, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"failed to freeze "
                          "/data/vda\"}}\n");
        else
                put(port, line, length);
        lie = false;
        length = 0;
}

int main(int argc, char **argv)
{
        if (argc != 4)
                return 2;
        int port = open(argv[1], O_RDWR);
        int agent = connect_to(argv[2]);
        bool freezes = strcmp(argv[3], "error") == 0;
        for (;;) {
                struct pollfd fds[] = { { .fd = port, .events = POLLIN },
                                        { .fd = agent, .events = POLLIN } };
                if (poll(fds, 2, -1) < 0)
                        return 1;
                if (fds[1].revents)
                        from_agent(agent, port);
                if (fds[0].revents)
                        from_port(port, agent, freezes);
        }
}
