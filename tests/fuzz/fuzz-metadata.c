/* What may lie on the share: metadata and state of a point, the last summary. What is taken has to
 * be written and taken again, the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "schema/records/metadata.h"
#include "schema/records/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void try_metadata(const char *text, size_t size)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(metadata_freep) struct metadata *metadata = metadata_parse(text, size, &err);
        require(!metadata == !!err);
        if (!metadata)
                return;
        _cleanup_free_ char *written = metadata_format(metadata);
        _cleanup_(metadata_freep) struct metadata *again =
                metadata_parse(written, strlen(written), NULL);
        require(again);
        _cleanup_free_ char *written_again = metadata_format(again);
        require(streq(written, written_again));
}

static void try_state(const char *text, size_t size)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_point_state_ struct point_state state = { 0 };
        if (point_state_parse(text, size, &state, &err) < 0) {
                require(err);
                return;
        }
        _cleanup_free_ char *written = point_state_format(&state);
        _cleanup_point_state_ struct point_state again = { 0 };
        require(point_state_parse(written, strlen(written), &again, NULL) == 0);
}

static void try_summary(const char *text, size_t size)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(summary_freep) struct summary *summary = summary_parse(text, size, &err);
        require(!summary == !!err);
        if (!summary)
                return;
        _cleanup_free_ char *written = summary_format(summary);
        _cleanup_(summary_freep) struct summary *again =
                summary_parse(written, strlen(written), NULL);
        require(again && again->n_vms == summary->n_vms);
        summary_finish(again, again->started);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        try_metadata(text, size);
        try_state(text, size);
        try_summary(text, size);
        return 0;
}
