/* Between the files that make up schema/yaml/yaml-document.h. */
#pragma once

#include <stddef.h>
#include <yaml.h>

#include "schema/yaml/problems.h"

/* The text being parsed and where its mistakes go. */
struct yaml_source {
        const char *text;
        size_t length;
        const char *file;
        struct problems *problems;
};

/* Adds the problem that stopped libyaml's parser, in words for somebody who writes such a file. */
void yaml_report_syntax(const struct yaml_source *source, const yaml_parser_t *parser);
