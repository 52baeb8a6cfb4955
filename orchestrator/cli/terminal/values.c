/* Implements cli/terminal/values.h. */
#include "cli/terminal/values.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

const char *value_text(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));
        return text ? text : "";
}

int64_t value_integer(const json_t *object, const char *name, int64_t otherwise)
{
        const json_t *value = json_object_get(object, name);
        if (json_is_integer(value))
                return json_integer_value(value);
        return json_is_real(value) ? (int64_t)json_real_value(value) : otherwise;
}

bool value_bool(const json_t *object, const char *name)
{
        return json_is_true(json_object_get(object, name));
}

const json_t *value_array(const json_t *object, const char *name)
{
        const json_t *value = json_object_get(object, name);
        return json_is_array(value) ? value : NULL;
}

const json_t *value_object(const json_t *object, const char *name)
{
        const json_t *value = json_object_get(object, name);
        return json_is_object(value) ? value : NULL;
}

char *value_bytes(const json_t *object, const char *name)
{
        int64_t bytes = value_integer(object, name, -1);
        return bytes < 0 ? xstrdup("") : format_bytes((uint64_t)bytes);
}

char *value_local_time(const json_t *object, const char *name)
{
        int64_t time;
        if (clock_parse_rfc3339(value_text(object, name), &time))
                return clock_format_local(time);
        return xstrdup(value_text(object, name));
}

char *format_count(int64_t n, const char *word)
{
        return xasprintf("%lld %s%s", (long long)n, word, n == 1 ? "" : "s");
}
