/* The messages that are not about a job of orch: a missing cycle, the inventory, tests, failures
 * that a scheduler reports. */
#pragma once

#include "notify/notice.h"

/* Reports that no backup has begun half an hour after the slot's begin. `last_begun`: start of the
 * last backup; 0: none ever. */
struct notice *dead_clock_notice(int64_t slot, int64_t last_begun, size_t due, bool paused,
                                 bool own_timer, int64_t now);
struct notice *clock_works_notice(int64_t now);
/* `in_use`: an older inventory is in use. */
struct notice *inventory_broken_notice(const char *file, const char *problems, bool in_use,
                                       int64_t now);
struct notice *inventory_mended_notice(const char *file, size_t vms, int64_t now);
struct notice *test_notice(int64_t now);
/* For `orch notify failure`: a job of a scheduler failed, perhaps because no daemon was running. */
struct notice *scheduler_failure_notice(const char *job, const char *text, int64_t now);
