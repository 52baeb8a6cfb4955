/* A disk image of the model, as its file has it. */
#pragma once

#include <stdint.h>

#include "world.h"

#define IMAGE_MAGIC "MODEL 1"
#define IMAGE_END "THE END"

struct image {
        char magic[8];
        char format[8];
        char backing[WORLD_PATH];
        char backing_format[8];
        uint64_t slots[WORLD_SLOTS];
        char end[8];
};
