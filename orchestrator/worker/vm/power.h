/* Changes of a VM's power state that are orch's own: the pause of `suspend`, the shutdown of
 * `shutdown`. Each is announced by an intent file on the hypervisor's own disk,
 * `<scratch>/<tag>.power`, written before the change and removed once the state that the owner gave
 * was seen again: that tells our pause or shutdown from an admin's, also after a crash of
 * everything. */
#pragma once

#include "base/error.h"
#include "worker/vm/vm-job.h"

/* Pauses the VM, with a dead-man armed that resumes it when nobody else does. On the undo stack
 * from the first change on. */
int power_pause(struct vm_job *job, struct error **err) _must_check_;
/* Resumes it, sees it running, takes off the dead-man and the intent. *ret_fired: the dead-man had
 * resumed it before. */
int power_unpause(struct vm_job *job, bool *ret_fired, struct error **err) _must_check_;

/* Shuts the VM down and waits until it is off. On the undo stack from the first change on.
 * ERROR_TIMEOUT when the guest does not go off; should it do so later, its intent file has it
 * started again by the next recovery. */
int power_off(struct vm_job *job, struct error **err) _must_check_;
/* Starts what power_off() shut down, and sees it running. Does nothing when power_off() was not
 * called. */
int power_on(struct vm_job *job, struct error **err) _must_check_;

/* The parts that a recovery needs to put a power state back. `path` is that of an intent file. */
int power_read_state(struct vm_job *job, enum domain_state *ret, struct error **err) _must_check_;
/* Resumes the VM and waits until it runs. 0 also when it is not paused: an off VM has nothing to
 * resume. */
int power_resume(struct vm_job *job, struct error **err) _must_check_;
/* Starts the VM and waits until it runs. */
int power_start(struct vm_job *job, struct error **err) _must_check_;
/* Removes the intent file. */
int power_withdraw(struct vm_job *job, const char *path, struct error **err) _must_check_;
