/* A daemon under test: its own process with a fake worker, on a real share of its own (the
 * repository tests' fixture: root needed, else the test is skipped), with a client that speaks HTTP
 * by hand. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strings.h"

struct rig {
        char folder[64]; /* orch.yaml, vm-list.yaml, socket, state/, worker.log, daemon.log */
        pid_t pid;
        const char **options; /* of run-daemon, NULL-terminated; NULL: none */
};

/* The share, an empty repository on it, and the folder with settings. `more_settings`: further
 * YAML; NULL: none. Nothing runs yet. */
void rig_prepare(struct rig *rig, const char *more_settings);
/* vm-list.yaml with a VM for each name, all of host-1, in this order of priority (10, 20, …),
 * daily. */
void rig_set_vms(struct rig *rig, const char *const names[]);
void rig_write(struct rig *rig, const char *name, const char *text);
char *rig_read(struct rig *rig, const char *name);
/* Starts the daemon and waits until it answers. */
void rig_start(struct rig *rig);
/* Starts it without waiting. */
void rig_launch(struct rig *rig);
/* Sends the signal and waits for the end; its exit status, 128 + signal. */
int rig_stop(struct rig *rig, int signal);
/* Waits for its end. */
int rig_wait(struct rig *rig);
/* Ends what is left and removes the folder. */
void rig_done(struct rig *rig);
/* rig_prepare(), rig_set_vms(), rig_start(). */
void rig_begin(struct rig *rig, const char *more_settings, const char *const names[]);
/* The same with `options` of the daemon's timing (rig.options) in place of settings. */
void rig_begin_with(struct rig *rig, const char **options, const char *const names[]);
/* Its orderly end: SIGTERM, after which it has to exit with 0; then rig_done(). */
void rig_end(struct rig *rig);

/* One call at its whole; *ret_status is the HTTP status. The caller owns the JSON (NULL when the
 * answer is none). */
json_t *rig_call(struct rig *rig, const char *method, const char *path, const char *body,
                 int *ret_status);
/* GET that must give 200. */
json_t *rig_get(struct rig *rig, const char *path);
/* POST that must give this status. The caller owns the JSON. */
json_t *rig_post(struct rig *rig, const char *path, const char *body, int wanted);
/* POST whose answer is a stream, read to its end; its exit_status. */
int rig_run(struct rig *rig, const char *path, const char *body);

/* A stream. */
struct call {
        int fd;
        int status;
        struct strbuf in;
        bool ended;
};
void call_open(struct rig *rig, struct call *call, const char *method, const char *path,
               const char *body);
/* The next line, which the caller owns; NULL at the end or when none came within the time. */
json_t *call_line(struct call *call, int64_t timeout_ms);
/* Reads until a line with this "event" (and "vm", unless NULL) and gives it; fails the test when it
 * doesn't come, for which a busy machine is given more time than timeout_ms. */
json_t *call_until(struct call *call, const char *event, const char *vm, int64_t timeout_ms);
/* Reads to the "end" line and closes the call; its exit_status. */
int call_finish(struct call *call, int64_t timeout_ms);
void call_close(struct call *call);

/* "start backup ok-1,end backup ok-1,…": what the workers did, with commas; the caller frees. */
char *rig_history(struct rig *rig);
size_t count_of(const char *text, const char *words);
/* Until the history has these words so many times; fails the test after 30 s. */
void rig_wait_for_history(struct rig *rig, const char *words, size_t times);
/* The pid of the newest worker of a VM, out of the daemon's log. */
pid_t rig_worker_pid(struct rig *rig, const char *vm);
const char *text_of(const json_t *json, const char *name);
int64_t number_of(const json_t *json, const char *name);
