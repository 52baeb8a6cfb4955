#!/bin/sh
# Finds what test-restores left on this host: folders, domains and networks with their names. A
# folder without the file `test` is the leftover of a test-restore that died while it made the
# folder. A young one may still be in the making, and is left out.
#
# Runs on the hypervisor.
# $1 how their names begin
# $2 the scratch folder
# Prints "NAME<TAB>VM<TAB>kept", one a line; VM and "kept" may be empty.
# Exit status: 0; 1 when libvirt does not answer.
. ./virsh.sh

for d in "$2/$1"*; do
	[ -d "$d" ] || continue
	vm=
	[ -s "$d/test" ] && read -r vm < "$d/test"
	[ "$vm" ] || [ "$(find "$d" -maxdepth 0 -mmin +10)" ] || continue
	k=
	[ -e "$d/kept" ] && k=kept
	printf '%s\t%s\t%s\n' "${d##*/}" "$vm" "$k"
done
all=$(v list --all --name) || {
	echo 'libvirt does not answer' >&2
	exit 1
}
for n in $all $(v net-list --name 2>/dev/null); do
	case $n in
	"$1"*) [ -d "$2/$n" ] || printf '%s\t\t\n' "$n" ;;
	esac
done
exit 0
