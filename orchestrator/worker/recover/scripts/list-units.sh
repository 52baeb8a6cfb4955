#!/bin/sh
# Lists the units of orch that run on this host: systemd services, or processes with a pid file
# where systemd does not run (transports/remote-unit.h).
#
# Runs on the hypervisor.
# $1 short UUID of the repository
# $2 how the paths of this VM's staging folders begin
# Prints "mine UNIT" for one whose command line names such a folder or whose process is gone,
# "unknown UNIT" for the others (they may be a live job's of another VM), one a line.
# Exit status: 0.
report() {
	case $2 in
	*"$3"*) echo "mine $1" ;;
	*) echo "unknown $1" ;;
	esac
}

if [ -d /run/systemd/system ]; then
	for u in $(systemctl list-units --all --plain --no-legend --no-pager "orch-$1-*.service" \
		2>/dev/null | cut -d' ' -f1); do
		report "${u%.service}" "$(systemctl show -p ExecStart --value "$u" 2>/dev/null)" "$2"
	done
else
	for f in /run/orch/orch-"$1"-*.pid; do
		case $f in *.thaw.pid | *.resume.pid) continue ;; esac
		# shellcheck disable=SC2015 # without a pid that can be read there is no unit
		[ -e "$f" ] && read -r p _ < "$f" || continue
		n=${f##*/}
		n=${n%.pid}
		if [ -r "/proc/$p/cmdline" ]; then
			report "$n" "$(tr '\0' ' ' 2>/dev/null < "/proc/$p/cmdline")" "$2"
		else
			echo "mine $n"
		fi
	done
fi
exit 0
