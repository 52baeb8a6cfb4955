#!/bin/sh
# Prints the state of a hypervisor and of the share on it. It reads mountinfo before it accesses the
# share, so that a share that is not mounted never hangs.
#
# Runs on the hypervisor.
# $1 the share
# $2 the share as /proc/self/mountinfo spells it (proc(5): octal escapes)
# $3 the job's tag; names the file of the write test
# $4 "write" for a write test on the share, else empty
# $5 … "d:FOLDER" and "f:FILE", about which it is asked too
# Prints "KEY<TAB>VALUE", one a line: kernel; missing (a program that is not there); for each folder
# its free bytes and for each file its allocated bytes, empty where unknown; mount (the type of the
# share's file system, empty: not mounted); then, of a mounted share, uuid, share (its free bytes)
# and, when the write test failed, write (the reason).
# Exit status: 0.
share=$1
escaped=$2
tag=$3
write=$4
shift 4
export LC_ALL=C
printf 'kernel\t%s\n' "$(uname -r)"
for t in qemu-img timeout setsid sync stat virsh cp cut; do
	command -v $t >/dev/null || printf 'missing\t%s\n' $t
done
free_bytes() {
	stat -f -c '%a %S' -- "$1" 2>/dev/null | while read -r a s; do
		printf '%s\n' $((a * s))
	done
}
for w; do
	case $w in
	d:*) printf 'folder\t%s\n' "$(free_bytes "${w#d:}")" ;;
	f:*)
		n=$(stat -L -c '%b %B' -- "${w#f:}" 2>/dev/null)
		printf 'file\t%s\n' "${n:+$((${n% *} * ${n#* }))}"
		;;
	esac
done
type=
while read -r _ _ _ _ point rest; do
	[ "$point" = "$escaped" ] && {
		type=${rest#* - }
		type=${type%% *}
	}
done < /proc/self/mountinfo
printf 'mount\t%s\n' "$type"
[ -n "$type" ] || exit 0
while read -r k v; do
	[ "$k" = uuid: ] && printf 'uuid\t%s\n' "$v"
done 2>/dev/null < "$share/.orch-repository"
printf 'share\t%s\n' "$(free_bytes "$share")"
[ -n "$write" ] || exit 0
p=$share/.orch-probe-$tag
why=$({ printf x > "$p" && sync "$p" && rm -f "$p"; } 2>&1) ||
	printf 'write\t%s\n' "${why:-failed}"
exit 0
