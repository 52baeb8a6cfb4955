/* `verify.budget_minutes`: the points that were verified longest ago are read back after each
 * cycle. */
#pragma once

#include "daemon/cycle/after-cycle.h"

extern const struct after_cycle_work scrub_work;
