/* The messages that are about no job: the dead clock, the inventory, tests, what a scheduler
 * says. */
#pragma once

#include "notify/notice.h"

/* No backup has begun half an hour after the slot's begin. `last_begun`: of any backup; 0: none
 * ever. */
struct notice *dead_clock_notice(int64_t slot, int64_t last_begun, size_t due, bool paused,
                                 bool own_timer, int64_t now);
struct notice *clock_works_notice(int64_t now);
/* `in_use`: an older inventory is. */
struct notice *inventory_broken_notice(const char *file, const char *problems, bool in_use,
                                       int64_t now);
struct notice *inventory_mended_notice(const char *file, size_t vms, int64_t now);
struct notice *test_notice(int64_t now);
/* `orch notify failure`: a job of a scheduler failed, perhaps because nobody was there to do it. */
struct notice *scheduler_failure_notice(const char *job, const char *text, int64_t now);
