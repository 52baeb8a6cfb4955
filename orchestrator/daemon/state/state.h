/* The daemon's state, all of it owned by the loop. Only files of the daemon include this. */
#pragma once

#include <stdint.h>

#include "daemon/loop/loop.h"
#include "daemon/share/share.h"
#include "daemon/state/daemon-options.h"
#include "daemon/state/inventory-keeper.h"
#include "daemon/state/job-listener.h"
#include "daemon/state/jobs.h"
#include "daemon/state/queue.h"
#include "daemon/state/vm-states.h"
#include "schema/config/settings.h"

struct after_cycle;
struct batch;
struct control_api;
struct cycle;
struct metrics_server;
struct notices;
struct orphan;
struct recoveries;

/* The order of a stop: no new jobs → running ones end → streams end → share closed → loop left. */
enum daemon_phase { DAEMON_RUNNING, DAEMON_STOPPING, DAEMON_CLOSING, DAEMON_ENDED };

struct daemon {
        struct daemon_options options;
        struct settings *settings;
        char *settings_text;
        struct loop *loop;
        struct jobs *jobs;
        struct queue queue;
        struct job **busy; /* those with a worker, running or stuck */
        size_t n_busy;
        struct orphan *orphans;           /* workers of an earlier daemon */
        struct loop_source *orphan_timer; /* NULL: there were none */
        struct batch *batches;
        uint64_t next_sequence;
        struct inventory_keeper *inventory;
        struct share *share;
        struct recoveries *recoveries;
        struct notices *notices;
        const struct job_listener *listener; /* the notices; set before the first job */
        struct vm_states states;
        struct control_api *api;
        struct metrics_server *metrics;  /* NULL: metrics.listen is off, or failed */
        struct cycle *cycle;             /* NULL: none runs */
        struct after_cycle *after_cycle; /* NULL: nothing follows a cycle now */
        uint64_t scrub_bytes_per_second; /* as last measured; 0: not yet */
        struct {
                bool on;
                int64_t until; /* epoch seconds; 0: until resumed */
        } paused;
        enum daemon_phase phase;
        int64_t drain_deadline_ms;          /* when closing: streams get this long to be read */
        int64_t started;                    /* epoch seconds */
        uint64_t failures[_ERROR_KIND_MAX]; /* of jobs since the start, by kind */
        int64_t pruned_day;                 /* on which old logs were last pruned */
        int64_t last_internal_slot;         /* that the internal trigger has started a cycle for */
        bool trigger_waits;                 /* the internal trigger waits for the share */
        char *state_folder;
        int lock_fd;
        struct loop_source *signals;
        struct loop_source *tick;     /* every 10 s: keepalives, pause */
        struct loop_source *watchdog; /* NULL: no service manager watches */
        struct loop_source *cycle_timer;
        struct loop_source *schedule_timer; /* armed by daemon_changed() */
};

/* The state changed so that a job may start or the daemon may end: checked in the next turn, never
 * from within the caller. */
void daemon_changed(struct daemon *daemon);

/* Reloads the inventory and requests the pins that are not known yet. */
int daemon_reload_inventory(struct daemon *daemon, struct error **err) _must_check_;
