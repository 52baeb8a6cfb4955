/* Implements daemon/loop/process-id.h by /proc/<pid>/stat. */
#include "daemon/loop/process-id.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

struct process_id process_id_of(pid_t pid)
{
        struct process_id id = { .pid = pid };
        _cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid);
        _cleanup_free_ char *text = fs_read_file(path, 4096, NULL, NULL);
        /* The second field is a name in brackets that may hold anything; the start time is the 20th
         * field after it. */
        char *rest = text ? strrchr(text, ')') : NULL;
        for (int field = 0; rest && field < 20; field++)
                rest = strchr(rest + 1, ' ');
        if (rest)
                id.start_ticks = strtoull(rest, NULL, 10);
        return id;
}

bool process_id_is_alive(struct process_id id)
{
        return id.start_ticks && process_id_of(id.pid).start_ticks == id.start_ticks;
}
