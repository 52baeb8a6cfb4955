/* The work of the catalog thread: blocking calls on the share and the catalog, one request after
 * the other. Nothing here accesses the state of the loop. A request fails when the share is not
 * open; opening is a request of its own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/share/share-internal.h"
#include "schema/json/json-fields.h"

enum { PROBE_TIMEOUT_MS = 10000, METADATA_MAX_BYTES = 4 << 20 };

static void close_all(struct share_side *side)
{
        side->catalog = catalog_free(side->catalog);
        if (side->locked)
                repository_unlock(side->repository);
        side->locked = false;
        side->repository = repository_free(side->repository);
}

static int take_share_lock(struct share_side *side, struct error **err)
{
        struct lock_holder holder = { 0 };
        int r = repository_lock(side->repository, &holder, err);
        if (r < 0)
                return -1;
        side->locked = r == LOCK_TAKEN;
        if (r == LOCK_HELD_ELSEWHERE) {
                _cleanup_free_ char *since = holder.since ? clock_format_local(holder.since)
                                                          : xstrdup("a time not known");
                error_set(err, ERROR_REFUSED,
                          "the repository %s is in use by another orch: host %s, pid %lld, since "
                          "%s (`orch repository unlock` "
                          "breaks the "
                          "lock of a dead one)",
                          side->path, holder.host ? holder.host : "not known",
                          (long long)holder.pid, since);
        }
        lock_holder_done(&holder);
        return side->locked ? 0 : -1;
}

static int open_metadata_folder(struct share_side *side, struct error **err)
{
        _cleanup_close_ int root = open(side->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open the repository %s",
                                       side->path);
        if (fs_make_dir_at(root, "metadata", 0755, err) < 0)
                return -1;
        return fs_open_dir_at(root, "metadata", err);
}

static int open_share_catalog(struct share_side *side, struct error **err)
{
        _cleanup_close_ int metadata = open_metadata_folder(side, err);
        if (metadata < 0)
                return -1;
        _cleanup_free_ char *path = xasprintf("%s/metadata/backup-catalog.db", side->path);
        bool rebuild = false;
        side->catalog = catalog_open(path, &rebuild, err);
        if (!side->catalog)
                return -1;
        if (catalog_set_aside(side->catalog))
                log_warning("the catalog was corrupt, or an older orch's: it is kept as %s and "
                            "rebuilt from the share",
                            catalog_set_aside(side->catalog));
        else if (rebuild)
                log_info("the catalog is new; it is filled from the points on the share");
        _cleanup_failure_list_ struct failure_list failures = { 0 };
        size_t added = 0;
        size_t removed = 0;
        if (rebuild && (points_scan_failures(side->repository, &failures, err) < 0 ||
                        catalog_add_failures(side->catalog, &failures, &added, err) < 0))
                return -1;
        _cleanup_point_list_ struct point_list points = { 0 };
        if (points_scan_all(side->repository, &points, err) < 0 ||
            catalog_reconcile(side->catalog, &points, &added, &removed, err) < 0)
                return -1;
        if (added || removed)
                log_info("the catalog was reconciled with the share: %zu points added, %zu "
                         "removed",
                         added, removed);
        return 0;
}

/* A full share is available: it can be pruned. */
static int touch_repository(struct share_side *side, struct repository_status *ret, bool *ret_full,
                            struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        int r = repository_probe(side->path, side->fstype, PROBE_TIMEOUT_MS, ret, &error);
        *ret_full = r < 0 && error->kind == ERROR_NOSPACE;
        if (*ret_full)
                return repository_probe_read(side->path, side->fstype, PROBE_TIMEOUT_MS, ret, err);
        return r < 0 ? error_propagate(err, TAKE_PTR(error)) : 0;
}

static int probe_repository(struct share_side *side, struct share_request *request,
                            struct error **err)
{
        _cleanup_repository_status_ struct repository_status status = { 0 };
        if (touch_repository(side, &status, &request->full, err) < 0)
                return -1;
        request->free_bytes = status.free_bytes;
        request->total_bytes = status.total_bytes;
        request->uuid = xstrdup(status.uuid);
        if (side->uuid && !streq(status.uuid, side->uuid))
                return error_set(err, ERROR_REFUSED,
                                 "%s now holds another repository (%s, it was %s): is the right "
                                 "file system mounted there? If it is "
                                 "meant, restart the daemon",
                                 side->path, status.uuid ? status.uuid : "none", side->uuid);
        if (side->locked && repository_check_lock(side->repository, err) < 0) {
                side->locked = false;
                return -1;
        }
        return 0;
}

static int open_what_is_closed(struct share_side *side, struct share_request *request,
                               struct error **err)
{
        if (!side->repository &&
            !(side->repository = repository_open(side->path, side->fstype, err)))
                return -1;
        if (probe_repository(side, request, err) < 0)
                return -1;
        if (!side->locked && take_share_lock(side, err) < 0)
                return -1;
        if (!side->catalog && open_share_catalog(side, err) < 0)
                return -1;
        if (!side->uuid)
                side->uuid = xstrdup(repository_uuid(side->repository));
        return catalog_list(side->catalog, NULL, true, &request->rows, err);
}

int share_work_load_pins(struct share_side *side, struct share_request *request, struct error **err)
{
        if (!side->catalog)
                return error_set(err, ERROR_UNREACHABLE, "the catalog is not open");
        for (size_t i = 0; request->names && request->names[i]; i++) {
                struct share_pin pin = { .vm = xstrdup(request->names[i]) };
                int r = catalog_get_pin(side->catalog, pin.vm, &pin.uuid, &pin.hypervisor, err);
                request->pins =
                        xrealloc_array(request->pins, request->n_pins + 1, sizeof *request->pins);
                request->pins[request->n_pins++] = pin;
                if (r < 0)
                        return -1;
        }
        return 0;
}

/* flag: what is open may be stale and is closed first. */
int share_work_open(struct share_side *side, struct share_request *request, struct error **err)
{
        if (request->flag)
                close_all(side);
        if (open_what_is_closed(side, request, err) == 0 &&
            share_work_load_pins(side, request, err) == 0)
                return 0;
        close_all(side);
        return -1;
}

int share_work_refresh(struct share_side *side, struct share_request *request, struct error **err)
{
        return probe_repository(side, request, err);
}

int share_work_close(struct share_side *side, struct share_request *request, struct error **err)
{
        (void)request;
        (void)err;
        close_all(side);
        return 0;
}

int share_work_nothing(struct share_side *side, struct share_request *request, struct error **err)
{
        (void)side;
        (void)request;
        (void)err;
        return 0;
}

static int need_catalog(const struct share_side *side, struct error **err)
{
        return side->catalog ? 0
                             : error_set(err, ERROR_UNREACHABLE, "the repository %s is not open",
                                         side->path);
}

int share_work_list(struct share_side *side, struct share_request *request, struct error **err)
{
        struct catalog_list rows = { 0 };
        if (need_catalog(side, err) < 0 ||
            catalog_list(side->catalog, request->vm, request->flag, &rows, err) < 0)
                return -1;
        free(request->text);
        request->text = catalog_list_to_json(&rows);
        catalog_list_done(&rows);
        return 0;
}

/* The row for `wanted`: a name, "latest", or a unique prefix. Rows are newest first. */
static const struct catalog_entry *choose_point(const struct catalog_list *rows, const char *vm,
                                                const char *wanted, struct error **err)
{
        const struct catalog_entry *found = NULL;
        bool latest = streq(wanted, "latest");
        for (size_t i = 0; i < rows->count; i++) {
                const struct catalog_entry *row = &rows->items[i];
                if (!row->point || (latest && !streq(row->status, "ok")))
                        continue;
                if (latest || streq(row->point, wanted))
                        return row;
                if (!str_starts_with(row->point, wanted))
                        continue;
                if (found) {
                        error_set(err, ERROR_CONFIG,
                                  "'%s' could be %s or %s of %s; give more of the name", wanted,
                                  row->point, found->point, vm);
                        return NULL;
                }
                found = row;
        }
        if (!found && latest)
                error_set(err, ERROR_CONFIG, "%s has no good point yet", vm);
        else if (!found)
                error_set(err, ERROR_CONFIG,
                          "there is no point '%s' of %s; `orch list %s` shows them", wanted, vm,
                          vm);
        return found;
}

static json_t *entry_with_metadata(struct share_side *side, const struct catalog_entry *entry,
                                   struct error **err)
{
        struct catalog_list one = { .items = (struct catalog_entry *)entry, .count = 1 };
        _cleanup_free_ char *array_text = catalog_list_to_json(&one);
        _cleanup_json_ json_t *array = json_loads(array_text, 0, NULL);
        json_t *object = json_incref(json_array_get(array, 0));
        _cleanup_free_ char *path =
                xasprintf("%s/%s/backup-metadata.json", side->path, entry->path);
        size_t length = 0;
        _cleanup_free_ char *text = fs_read_file(path, METADATA_MAX_BYTES, &length, err);
        json_t *metadata = text ? json_read_document(text, length, path, err) : NULL;
        if (!metadata) {
                json_decref(object);
                return NULL;
        }
        json_object_set_new(object, "metadata", metadata);
        return object;
}

int share_work_show(struct share_side *side, struct share_request *request, struct error **err)
{
        struct catalog_list rows = { 0 };
        if (need_catalog(side, err) < 0 ||
            catalog_list(side->catalog, request->vm, false, &rows, err) < 0)
                return -1;
        const struct catalog_entry *entry = choose_point(&rows, request->vm, request->text, err);
        _cleanup_json_ json_t *json = entry ? entry_with_metadata(side, entry, err) : NULL;
        catalog_list_done(&rows);
        if (!json)
                return -1;
        free(request->text);
        request->text = json_write_line(json);
        return 0;
}

int share_work_record(struct share_side *side, struct share_request *request, struct error **err)
{
        return need_catalog(side, err) < 0 ? -1
                                           : catalog_record(side->catalog, &request->entry, err);
}

int share_work_set_pin(struct share_side *side, struct share_request *request, struct error **err)
{
        return need_catalog(side, err) < 0 ? -1
                                           : catalog_set_pin(side->catalog, request->vm,
                                                             request->uuid, request->text, err);
}

static void apply_hold(struct point_state *state, void *data)
{
        const struct share_request *request = data;
        state->held = request->flag;
        xstrdup_replace(&state->held_reason, request->flag ? request->reason : NULL);
}

static int hold_point(struct share_side *side, struct share_request *request, const char *path,
                      struct error **err)
{
        _cleanup_point_list_ struct point_list found = { 0 };
        if (points_change_state(side->repository, path, apply_hold, request, NULL, err) < 0 ||
            points_read(side->repository, path, &found, err) < 0)
                return -1;
        if (!found.count)
                return error_set(err, ERROR_REFUSED, "%s was removed meanwhile", path);
        const struct point *point = &found.items[0];
        if (catalog_put_point(side->catalog, point, err) < 0)
                return -1;
        _cleanup_json_ json_t *json = json_object();
        json_object_set_new(json, "vm", json_from_text(point->vm));
        json_object_set_new(json, "point", json_from_text(point->name));
        json_object_set_new(json, "path", json_from_text(point->path));
        json_object_set_new(json, "held", json_boolean(point->state.held));
        json_object_set_new(json, "held_reason", json_from_text(point->state.held_reason));
        free(request->text);
        request->text = json_write_line(json);
        return 0;
}

int share_work_hold_point(struct share_side *side, struct share_request *request,
                          struct error **err)
{
        _cleanup_catalog_list_ struct catalog_list rows = { 0 };
        if (need_catalog(side, err) < 0 ||
            catalog_list(side->catalog, request->vm, false, &rows, err) < 0)
                return -1;
        const struct catalog_entry *entry = choose_point(&rows, request->vm, request->text, err);
        return entry ? hold_point(side, request, entry->path, err) : -1;
}

int share_work_list_known(struct share_side *side, struct share_request *request,
                          struct error **err)
{
        _cleanup_catalog_list_ struct catalog_list rows = { 0 };
        _cleanup_strv_ char **vms = NULL;
        if (need_catalog(side, err) < 0 ||
            catalog_list(side->catalog, NULL, false, &rows, err) < 0 ||
            points_list_vms(side->repository, &vms, err) < 0)
                return -1;
        _cleanup_json_ json_t *json = json_object();
        for (size_t i = 0; vms && vms[i]; i++)
                json_object_set_new(json, vms[i], json_array());
        for (size_t i = 0; i < rows.count; i++) {
                if (!json_object_get(json, rows.items[i].vm))
                        json_object_set_new(json, rows.items[i].vm, json_array());
                json_array_append_new(json_object_get(json, rows.items[i].vm),
                                      json_from_text(rows.items[i].path));
        }
        request->text = json_write_line(json);
        return 0;
}

int share_work_refresh_point(struct share_side *side, struct share_request *request,
                             struct error **err)
{
        _cleanup_point_list_ struct point_list found = { 0 };
        if (need_catalog(side, err) < 0 ||
            points_read(side->repository, request->text, &found, err) < 0)
                return -1;
        int r = found.count ? catalog_put_point(side->catalog, &found.items[0], err)
                            : catalog_remove_point(side->catalog, request->text, err);
        return r < 0 ? -1 : catalog_list(side->catalog, request->vm, false, &request->rows, err);
}

int share_work_write_summary(struct share_side *side, struct share_request *request,
                             struct error **err)
{
        _cleanup_close_ int metadata =
                need_catalog(side, err) < 0 ? -1 : open_metadata_folder(side, err);
        if (metadata < 0)
                return -1;
        return fs_write_file_at(metadata, "last-run-summary.json", 0644, request->text,
                                strlen(request->text), err);
}
