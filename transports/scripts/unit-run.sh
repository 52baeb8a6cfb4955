#!/bin/sh
# Runs a command as a unit on a host without systemd: a process group whose leader is timeout(1),
# with a pid file. Its stdin, stdout and stderr are this script's own. A pid file whose process is
# gone is replaced.
#
# Runs on the hypervisor.
# $1 the unit's name
# $2 seconds that it may run
# $3 unit-begin.sh
# $4 … the command
# Prints what the command prints; on stderr, before anything else, that the unit began.
# Exit status: that of the command; 124 or 137 when its time was over; 125 when it was not started.
. ./start-time.sh

f=/run/orch/$1.pid
n=$1
s=$2
b=$3
shift 3
# shellcheck disable=SC2174 # /run is there
mkdir -p -m 700 /run/orch || exit 125
if [ -e "$f" ] && read -r p t < "$f" && [ "$(started "$p")" = "$t" ]; then
	echo "unit $n runs already" >&2
	exit 125
fi
# A shell gives /dev/null to what it puts in the background: descriptor 3 keeps stdin for the
# command.
exec 3<&0
setsid sh -c "$b" orch "$f" "$s" "$@" <&3 &
exec 3<&-
wait $!
r=$?
rm -f "$f"
rmdir /run/orch 2>/dev/null
exit $r
