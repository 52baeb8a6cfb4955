#!/bin/sh
# Disarms a watchdog timer and removes its files.
#
# Runs on the hypervisor.
# $1 the job's tag
# $2 what the timer does: "thaw" or "resume"
# Prints "fired" when it had begun to.
# Exit status: 0.
f=/run/orch/$1.$2
if [ -d /run/systemd/system ]; then
	systemctl stop "$1-$2.timer" "$1-$2.service" >/dev/null 2>&1
fi
if [ -s "$f.pid" ]; then
	read -r pid start < "$f.pid"
	[ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$start" ] && kill "$pid" 2>/dev/null
fi
[ -e "$f.fired" ] && echo fired
rm -f "/var/lib/orch/$1.$2.id" "$f.id" "$f.pid" "$f.fired"
rmdir /run/orch /var/lib/orch 2>/dev/null
exit 0
