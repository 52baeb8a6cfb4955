/* Implements daemon/api/choose-vms.h. */
#include "daemon/api/choose-vms.h"

#include "base/memory.h"
#include "base/strings.h"

static bool add_meant(char *const *names, const char *word, char ***chosen)
{
        bool any = false;
        for (size_t i = 0; names && names[i]; i++) {
                if (!name_matches(word, names[i]))
                        continue;
                any = true;
                if (!strv_contains(*chosen, names[i]))
                        strv_add(chosen, names[i]);
        }
        return any;
}

const char *choose_names(char *const *names, char *const *words, char ***chosen)
{
        for (size_t i = 0; words && words[i]; i++)
                if (!add_meant(names, words[i], chosen))
                        return words[i];
        return NULL;
}

const char *choose_vms(const struct inventory *inventory, char *const *words, char ***chosen)
{
        _cleanup_strv_ char **names = NULL;
        for (size_t i = 0; i < inventory->n_vms; i++)
                strv_add(words && words[0] ? &names : chosen, inventory->vms[i].name);
        return choose_names(names, words, chosen);
}

int choose_unknown_vm(const struct inventory *inventory, const char *name, struct error **err)
{
        _cleanup_free_ char *shown = str_one_line(name, 120);
        const char *nearest = inventory_nearest_vm(inventory, name);
        return error_set(err, ERROR_CONFIG, "no VM '%s' in the inventory %s%s%s%s", shown,
                         inventory->file, nearest ? "; nearest: '" : "", nearest ? nearest : "",
                         nearest ? "'" : "");
}
