/* Between the files that make up schema/config/settings.h. */
#pragma once

#include "schema/config/settings.h"
#include "schema/yaml/yaml-fields.h"

/* Reads the list of channels; its member is the whole struct settings. */
field_read settings_read_notify;
void notify_channel_done(struct notify_channel *channel);
