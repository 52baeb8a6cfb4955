#!/bin/sh
# Ends the domain of a test-restore and removes everything with its name: the process that holds the
# domain, its network, the read-only view of the points, its TPM state, libvirt's logs, its folder.
# It checks what exists, and may run again after an interruption at any point.
#
# Nothing of a domain is removed before libvirt itself said that the domain is gone, and nothing is
# removed from the folder while the view of the share is mounted in it.
#
# Runs on the hypervisor.
# $1 the name
# $2 the folder
# Prints nothing.
# Exit status: 0 when all of it is gone; another one when something is left (stderr says what).
. ./virsh.sh

fail() {
	echo "$*" >&2
	exit 1
}

there() {
	all=$(v list --all --name) || fail 'libvirt does not answer'
	for d in $all; do
		[ "$d" = "$1" ] && return 0
	done
	return 1
}

u=
[ -s "$2/test" ] && {
	read -r u
	read -r u
	read -r u
} < "$2/test"
n=0
while there "$1"; do
	v destroy "$1" >/dev/null 2>&1
	n=$((n + 1))
	[ $n -gt 60 ] && fail "the domain $1 does not end"
	sleep 0.2
done
if [ -s "$2/hold.pid" ] && read -r p s < "$2/hold.pid" &&
	[ "$(cut -d' ' -f22 "/proc/$p/stat" 2>/dev/null)" = "$s" ]; then
	kill "$p" 2>/dev/null
fi
if v net-info "$1" >/dev/null 2>&1; then
	v net-destroy "$1" >/dev/null 2>&1 || fail "the network $1 cannot be removed"
fi
n=0
while [ -d "$2/point" ]; do
	umount "$2/point" 2>/dev/null
	rmdir "$2/point" 2>/dev/null && break
	n=$((n + 1))
	[ $n -gt 50 ] && fail "$2/point is still in use"
	sleep 0.2
done
case $u in
*/*) ;;
*-*-*-*-*) rm -rf -- "/var/lib/libvirt/swtpm/$u" ;;
esac
rm -f -- "/var/log/libvirt/qemu/$1.log"* "/var/log/libvirt/qemu/$1.serial.log"* \
	"/var/log/swtpm/libvirt/qemu/$1-swtpm.log" "/var/lib/libvirt/qemu/nvram/$1_VARS.fd"
# A host that was reset still has the folders that libvirt made for the domain. Their names contain
# only the beginning of the domain's name.
cut=$(printf %.20s "$1")
other=
for d in $all; do
	case $d in "$cut"*) other=1 ;; esac
done
[ "$other" ] || rm -rf -- /var/lib/libvirt/qemu/domain-*-"$cut" \
	/var/lib/libvirt/qemu/channel/target/domain-*-"$cut"
if [ -d "$2" ]; then
	find "$2" -xdev -depth -delete || exit 1
fi
