#!/bin/sh
# Defines two queries about a guest. `same_guest UUID ID`: whether the guest that ran in the QEMU
# with this identity is the one that runs now, in that QEMU or in one that took its memory over from
# a saved image. `is_saved UUID`: whether the domain is in a saved image (a managed save).
#
# Runs on the hypervisor, within other scripts.
. ./qemu-id.sh

same_guest() {
	now=$(qemu_id "$1")
	[ -n "$now" ] || return 1
	[ "$now" = "$2" ] || grep -qzxF -e -incoming "/proc/${now%%:*}/cmdline" 2>/dev/null
}

is_saved() {
	case $(timeout 15 virsh -c qemu:///system dominfo "$1" 2>/dev/null | tr -s ' ') in
	*"Managed save: yes"*) return 0 ;;
	esac
	return 1
}
