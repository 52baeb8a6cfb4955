#!/bin/sh
# Defines `started PID`: prints the start time of that process, field 22 of its stat, counted from
# behind the name, which may hold anything.
#
# Runs on the hypervisor, within other scripts.
started() {
	[ -r "/proc/$1/stat" ] && read -r l < "/proc/$1/stat" || return 1
	l=${l##*)}
	# shellcheck disable=SC2086 # the fields are split on purpose
	set -- $l
	echo "${20}"
}
