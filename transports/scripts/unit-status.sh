#!/bin/sh
# Says that a unit began, runs its command and passes on its exit status. systemd counts a service
# that was ended by SIGTERM, SIGHUP, SIGINT or SIGPIPE as a success, and systemd-run then exits
# with 0: a copy that was stopped half-way would look complete. This shell outlives its command
# and makes of the signal a status of 128 and more.
#
# Runs on the hypervisor, in a unit of systemd.
# $1 … the command
# Prints what the command prints; on stderr, before anything else, that the unit began.
# Exit status: that of the command.
trap : TERM HUP INT PIPE; echo orch: the unit began >&2; "$@"; exit $?
