/* A process is known by its pid and its start time. */
#include "daemon/loop/process-id.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

Test(process_id, is_alive_until_it_is_reaped)
{
        pid_t pid = fork();
        cr_assert(pid >= 0);
        if (pid == 0) {
                pause();
                _exit(0);
        }
        struct process_id id = process_id_of(pid);
        cr_assert_eq(id.pid, pid);
        cr_assert(id.start_ticks > 0);
        cr_assert(process_id_is_alive(id));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        cr_assert_not(process_id_is_alive(id));
}

Test(process_id, another_process_of_the_same_pid_is_another_process)
{
        struct process_id id = process_id_of(getpid());
        id.start_ticks++;
        cr_assert_not(process_id_is_alive(id));
}

Test(process_id, zeros_are_no_process)
{
        cr_assert_not(process_id_is_alive((struct process_id){ 0 }));
}
