/* Changes of a VM's power state that orch makes: the pause of `suspend`, the shutdown of
 * `shutdown`. Each is announced by an intent file on the hypervisor's own disk,
 * `<scratch>/<tag>.power`, written before the change and removed once the owner's power state was
 * seen again. The file distinguishes orch's pause or shutdown from an admin's, even after a crash
 * of everything. */
#pragma once

#include "base/error.h"
#include "worker/vm/vm-job.h"

/* Pauses the VM, after arming a watchdog timer that resumes it if nobody else does. On the undo
 * stack from the first change on. */
int power_pause(struct vm_job *job, struct error **err) _must_check_;
/* Resumes the VM, verifies that it runs, and removes the watchdog timer and the intent file.
 * *ret_fired: the timer had already resumed it. */
int power_unpause(struct vm_job *job, bool *ret_fired, struct error **err) _must_check_;

/* Shuts the VM down and waits until it is shut off. On the undo stack from the first change on.
 * ERROR_TIMEOUT if the guest does not shut off in time; if it does so later, the intent file makes
 * the next recovery start it again. */
int power_off(struct vm_job *job, struct error **err) _must_check_;
/* Starts the VM that power_off() shut down, and verifies that it runs. Does nothing if power_off()
 * was not called. */
int power_on(struct vm_job *job, struct error **err) _must_check_;

/* The functions that a recovery needs to restore a power state. `path` is that of an intent
 * file. */
int power_read_state(struct vm_job *job, enum domain_state *ret, struct error **err) _must_check_;
/* Resumes the VM and waits until it runs. Also 0 if it is not paused, because a VM that is shut off
 * has nothing to resume. */
int power_resume(struct vm_job *job, struct error **err) _must_check_;
/* Starts the VM and waits until it runs. */
int power_start(struct vm_job *job, struct error **err) _must_check_;
/* Removes the intent file. */
int power_withdraw(struct vm_job *job, const char *path, struct error **err) _must_check_;
