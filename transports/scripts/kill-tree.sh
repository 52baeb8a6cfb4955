#!/bin/sh
# Ends a process and all that it started. A child that daemonised itself is not found.
#
# Runs in a guest that has /proc, started by the guest agent.
# $1 the process
# Prints nothing.
# Exit status: 0 when it is gone, also when it was before; 1 when it still runs.
tree() {
	kill -STOP "$1" 2>/dev/null
	# shellcheck disable=SC2013 # process numbers hold no white space
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
		tree "$child"
	done
	kill -KILL "$1" 2>/dev/null
}

[ -d /proc/"$1" ] || exit 0
tree "$1"
sleep 0.2
! grep -qs '^State:[[:space:]]*[^ZX]' /proc/"$1"/status
