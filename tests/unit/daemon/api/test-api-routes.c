/* schema/openapi.yaml describes exactly the routes that there are. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api.h"
#include "schema/yaml/yaml-document.h"

static struct yaml_document *read_openapi(void)
{
        _cleanup_problems_ struct problems problems = { 0 };
        size_t length = 0;
        _cleanup_free_ char *text = yaml_read_file(getenv("OPENAPI"), &length, &problems);
        cr_assert(text, "%s", getenv("OPENAPI"));
        struct yaml_document *document =
                yaml_document_parse(text, length, "openapi.yaml", &problems);
        _cleanup_free_ char *said = problems_format(&problems);
        cr_assert_eq(problems.n_errors, 0, "%s", said);
        return document;
}

static bool parameter_is_listed(const struct yaml_node *call, const char *name)
{
        const struct yaml_node *parameters = yaml_mapping_get(call, "parameters");
        for (size_t i = 0; parameters && i < parameters->count; i++)
                if (streq(yaml_mapping_get(parameters->items[i], "name")->text, name) &&
                    streq(yaml_mapping_get(parameters->items[i], "in")->text, "query"))
                        return true;
        return false;
}

static size_t count_query_parameters(const struct yaml_node *call)
{
        const struct yaml_node *parameters = yaml_mapping_get(call, "parameters");
        size_t n = 0;
        for (size_t i = 0; parameters && i < parameters->count; i++)
                n += streq(yaml_mapping_get(parameters->items[i], "in")->text, "query");
        return n;
}

Test(openapi, has_exactly_the_routes)
{
        _cleanup_(yaml_document_freep) struct yaml_document *document = read_openapi();
        const struct yaml_node *paths = yaml_mapping_get(yaml_document_root(document), "paths");
        size_t described = 0;
        for (size_t i = 0; i < paths->count; i++)
                described += paths->pairs[i].value->count;
        size_t routes = 0;
        for (const struct api_route *route = api_routes; route->method; route++, routes++) {
                char method[8] = "";
                for (size_t i = 0; route->method[i]; i++)
                        method[i] = (char)tolower((unsigned char)route->method[i]);
                const struct yaml_node *call =
                        yaml_mapping_get(yaml_mapping_get(paths, route->path), method);
                cr_assert(call, "%s %s is not described", route->method, route->path);
                size_t n = 0;
                for (; route->query && route->query[n]; n++)
                        cr_assert(parameter_is_listed(call, route->query[n]),
                                  "%s: query parameter %s", route->path, route->query[n]);
                cr_assert_eq(count_query_parameters(call), n, "%s", route->path);
        }
        cr_assert_eq(described, routes, "something is described that is no route");
}
