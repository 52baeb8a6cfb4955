/* The daemon's numbers in Prometheus' text format. */
#pragma once

struct daemon;

/* The caller frees. */
char *metrics_text(const struct daemon *daemon);
