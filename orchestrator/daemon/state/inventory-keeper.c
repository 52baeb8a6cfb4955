/* Implements daemon/state/inventory-keeper.h. The invariant: `inventory` and `text` belong together
 * and were valid when they were taken. */
#include "daemon/state/inventory-keeper.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"

enum { TEXT_MAX_BYTES = 16 << 20 };

struct inventory_keeper {
        char *path;
        char *kept_path;
        struct inventory *inventory;
        char *text;
        char *problems;
        char *warnings;
        int64_t loaded;
};

struct inventory_keeper *inventory_keeper_new(const char *path, const char *state_folder)
{
        struct inventory_keeper *keeper = xcalloc(1, sizeof *keeper);
        keeper->path = xstrdup(path);
        keeper->kept_path = path_join(state_folder, "vm-list.last-good.yaml");
        return keeper;
}

struct inventory_keeper *inventory_keeper_free(struct inventory_keeper *keeper)
{
        if (!keeper)
                return NULL;
        inventory_free(keeper->inventory);
        free(keeper->path);
        free(keeper->kept_path);
        free(keeper->text);
        free(keeper->problems);
        free(keeper->warnings);
        free(keeper);
        return NULL;
}

static void keeper_take(struct inventory_keeper *keeper, struct inventory *inventory, char *text,
                        int64_t loaded)
{
        inventory_free(keeper->inventory);
        free(keeper->text);
        keeper->inventory = inventory;
        keeper->text = text;
        keeper->loaded = loaded;
}

static void keep_text(const struct inventory_keeper *keeper)
{
        _cleanup_error_ struct error *error = NULL;
        if (fs_write_file(keeper->kept_path, 0640, keeper->text, strlen(keeper->text), &error) < 0)
                log_warning("cannot keep the inventory for a restart: %s", error->message);
}

/* At the first load of a broken file: the text that an earlier daemon kept. It was valid then,
 * perhaps for another version of orch. */
static void fall_back_to_kept(struct inventory_keeper *keeper)
{
        size_t length = 0;
        struct stat st;
        _cleanup_free_ char *text = fs_read_file(keeper->kept_path, TEXT_MAX_BYTES, &length, NULL);
        if (!text || stat(keeper->kept_path, &st) < 0)
                return;
        _cleanup_problems_ struct problems problems = { 0 };
        struct inventory *inventory = inventory_parse(text, length, keeper->path, &problems);
        if (inventory)
                keeper_take(keeper, inventory, TAKE_PTR(text), st.st_mtime);
}

static char *warnings_of(const struct problems *problems)
{
        struct strbuf buf = { 0 };
        for (size_t i = 0; i < problems->count; i++)
                if (problems->items[i].warning)
                        strbuf_addf(&buf, "%s%s:%u:%u: %s", buf.length ? "\n" : "",
                                    problems->items[i].file, problems->items[i].line,
                                    problems->items[i].column, problems->items[i].message);
        return strbuf_take(&buf);
}

int inventory_keeper_reload(struct inventory_keeper *keeper, struct error **err)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_free_ char *text = NULL;
        struct inventory *inventory = inventory_load(keeper->path, &text, &problems);
        if (!inventory) {
                struct error *error = NULL;
                problems_to_error(&problems, &error);
                xstrdup_replace(&keeper->problems, error_message(error));
                if (!keeper->inventory)
                        fall_back_to_kept(keeper);
                return error_propagate(err, error);
        }
        xstrdup_replace(&keeper->problems, NULL);
        free(keeper->warnings);
        keeper->warnings = warnings_of(&problems);
        bool changed = !streq(text, keeper->text);
        keeper_take(keeper, inventory, TAKE_PTR(text), clock_realtime_s());
        if (changed)
                keep_text(keeper);
        return 0;
}

const struct inventory *inventory_keeper_get(const struct inventory_keeper *keeper)
{
        return keeper->inventory;
}

const char *inventory_keeper_text(const struct inventory_keeper *keeper)
{
        return keeper->text;
}

const char *inventory_keeper_path(const struct inventory_keeper *keeper)
{
        return keeper->path;
}

enum inventory_state inventory_keeper_state(const struct inventory_keeper *keeper)
{
        if (!keeper->problems)
                return INVENTORY_OK;
        return keeper->inventory ? INVENTORY_LAST_GOOD : INVENTORY_NONE;
}

const char *inventory_state_name(enum inventory_state state)
{
        static const char *const names[] = { "ok", "last-good", "none" };
        return names[state];
}

const char *inventory_keeper_problems(const struct inventory_keeper *keeper)
{
        return keeper->problems;
}

const char *inventory_keeper_warnings(const struct inventory_keeper *keeper)
{
        return keeper->warnings ? keeper->warnings : "";
}

int64_t inventory_keeper_loaded(const struct inventory_keeper *keeper)
{
        return keeper->loaded;
}
