/* Between the files that make up schema/settings.h. */
#pragma once

#include "schema/fields.h"
#include "schema/settings.h"

/* Reads the list of channels; its member is the whole struct settings. */
field_read settings_read_notify;
void notify_channel_done(struct notify_channel *channel);
