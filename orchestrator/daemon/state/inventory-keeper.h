/* The inventory in use: the last valid one. Each valid text is also kept in
 * <state>/vm-list.last-good.yaml, so that a restart with a broken vm-list.yaml can use it. Only
 * local files are read here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/inventory.h"

enum inventory_state {
        INVENTORY_OK,
        INVENTORY_LAST_GOOD, /* the file is broken; an older one is in use */
        INVENTORY_NONE,      /* the file is broken and there is no older one */
};

struct inventory_keeper;

/* `path`: the vm-list.yaml. Nothing is read yet. */
struct inventory_keeper *inventory_keeper_new(const char *path, const char *state_folder);
struct inventory_keeper *inventory_keeper_free(struct inventory_keeper *keeper);
DEFINE_FREEP(struct inventory_keeper, inventory_keeper_free)

/* Reads the file. When it is broken, the inventory in use stays (at the first reading: the kept
 * one), and the result is one ERROR_CONFIG with all its problems. */
int inventory_keeper_reload(struct inventory_keeper *keeper, struct error **err) _must_check_;

/* The one in use; NULL only in INVENTORY_NONE. Valid until the next reload. */
const struct inventory *inventory_keeper_get(const struct inventory_keeper *keeper);
/* Its text, for a worker; NULL in INVENTORY_NONE. */
const char *inventory_keeper_text(const struct inventory_keeper *keeper);
const char *inventory_keeper_path(const struct inventory_keeper *keeper);
enum inventory_state inventory_keeper_state(const struct inventory_keeper *keeper);
const char *inventory_state_name(enum inventory_state state); /* "ok", "last-good", "none" */
/* The problems of the file; NULL in INVENTORY_OK. */
const char *inventory_keeper_problems(const struct inventory_keeper *keeper);
/* Warnings of the inventory in use, one a line; "" for none. */
const char *inventory_keeper_warnings(const struct inventory_keeper *keeper);
/* When the one in use was read (epoch seconds). */
int64_t inventory_keeper_loaded(const struct inventory_keeper *keeper);
