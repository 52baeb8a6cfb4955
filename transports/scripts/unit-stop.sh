#!/bin/sh
# Ends a unit on a host without systemd, and all that it started: with SIGTERM, after five seconds
# with SIGKILL. One that does not run is fine.
#
# Runs on the hypervisor.
# $1 the unit's name
# Prints nothing.
# Exit status: 0; 75 when it still runs.
. ./start-time.sh

f=/run/orch/$1.pid
# shellcheck disable=SC2015 # without a pid that can be read there is no unit
[ -e "$f" ] && read -r p t < "$f" || exit 0
if [ "$(started "$p")" = "$t" ]; then
	for how in TERM KILL; do
		kill -$how "-$p" 2>/dev/null
		i=0
		while [ $i -lt 50 ] && kill -0 "-$p" 2>/dev/null; do
			sleep 0.1
			i=$((i + 1))
		done
	done
	kill -0 "-$p" 2>/dev/null && exit 75
fi
rm -f "$f"
rmdir /run/orch 2>/dev/null
exit 0
