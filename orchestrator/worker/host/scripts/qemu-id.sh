#!/bin/sh
# Defines `qemu_id UUID`: prints the identity "pid:start:boot" of the QEMU that runs that domain, or
# an empty line if none does. It reads /proc and does not ask libvirt, so that the answer is valid
# while libvirt is down, and a domain ID that libvirt assigned twice cannot mislead it.
#
# Runs on the hypervisor, within other scripts.
qemu_id() {
	q=
	# shellcheck disable=SC2013 # these paths hold no white space
	for c in $(grep -lzxF -e "$1" /proc/[0-9]*/cmdline 2>/dev/null); do
		grep -qzxF -e -uuid "$c" 2>/dev/null || continue
		p=${c%/cmdline}
		IFS= read -r l < "$p/stat" || continue
		read -r b < /proc/sys/kernel/random/boot_id
		# The fields of stat are split on purpose, from behind the name, which may hold anything.
		# shellcheck disable=SC2086
		set -- ${l##*) }
		q=${p#/proc/}:${20}:${b%%-*}
		break
	done
	echo "$q"
}
