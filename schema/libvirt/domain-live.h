/* What the XML of a running domain contains beyond its definition: whether a guest agent is
 * connected, how far a block job is. The same rules as for schema/libvirt/domain-xml.h: at most 4
 * MiB, no network, no entities. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum agent_channel {
        AGENT_CHANNEL_NONE,         /* the domain has no channel for an agent */
        AGENT_CHANNEL_DISCONNECTED, /* nothing in the guest has opened it */
        AGENT_CHANNEL_CONNECTED,    /* also when libvirt does not report a state */
};

/* The channel org.qemu.guest_agent.0. ERROR_CORRUPT when the text is not a domain. */
int domain_live_agent_channel(const char *text, size_t length, enum agent_channel *ret,
                              struct error **err) _must_check_;

/* Whether the block job on that disk can be pivoted: <mirror ready='yes'>. False without a job;
 * ERROR_CORRUPT when the text is not a domain or has no such disk. */
int domain_live_mirror_ready(const char *text, size_t length, const char *target, bool *ret,
                             struct error **err) _must_check_;
