#!/bin/sh
# Writes the pid file of a unit, says that the unit began, and becomes timeout(1), the unit's
# leader. The pid and the start time together name a process for ever.
#
# Runs on the hypervisor, in a session of its own that unit-run.sh makes.
# $1 the pid file
# $2 seconds that the unit may run
# $3 … the command
# Prints what the command prints; on stderr, before anything else, that the unit began.
# Exit status: that of timeout(1).
. ./start-time.sh

f=$1
s=$2
shift 2
exec 3<&-
echo $$ "$(started $$)" > "$f.new" && mv "$f.new" "$f" && echo 'orch: the unit began' >&2 &&
	exec timeout -k 5 "$s" "$@"
