/* The daemon's numbers in Prometheus' text format. */
#pragma once

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct daemon;

/* The caller frees. */
char *metrics_text(const struct daemon *daemon);
