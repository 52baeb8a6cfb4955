/* A hypervisor for tests of single functions: answers every command and every question for XML with
 * what it was given. It asks once whether a command is given up. All other calls are missing, so
 * that a function that makes one crashes the test. */
#pragma once

#include "transports/hypervisor.h"

struct scripted_host {
        struct hypervisor base;
        const char *xml;       /* what get_xml() gives */
        const char *output;    /* what a command prints */
        int status;            /* its exit status */
        enum error_kind fails; /* of exec(), when `broken` */
        bool broken;
        char **argv; /* of the last command */
};

void scripted_host_init(struct scripted_host *host);
void scripted_host_done(struct scripted_host *host);
