#!/bin/sh
# Becomes the systemd-nspawn of a full host. Runs in a mount namespace of its own.
# NAME DIR ROOT NETNS
set -eu
name=$1 dir=$2 root=$3 netns=$4
id=${netns##*/}

# Its own control group where systemd keeps its units: two hosts' systemds in one tree would take each other's units for their own.
# The other hierarchies are read-only inside; there it stays in the group of whoever made the lab.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
	[ -e "$hierarchy/cgroup.procs" ] || continue
	mkdir -p "$hierarchy/$id"
	echo $$ >"$hierarchy/$id/cgroup.procs"
done
legacy="--setenv=SYSTEMD_UNIFIED_CGROUP_HIERARCHY=0" word=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then legacy='' word=''; fi

# This namespace began as a copy of the machine's: drop other hosts' disks, shares and networks, or they could not be removed while we live.
while read -r _ _ _ _ point _ rest; do
	case $rest in
	*" - ext4 /dev/loop"* | *"- ext4 /dev/loop"*) [ "$point" = "$dir/disk" ] || echo "$point" ;;
	*"- nsfs "*) [ "$point" = "$netns" ] || echo "$point" ;;
	esac
done </proc/self/mountinfo | while read -r point; do umount -l "$point" || true; done

mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/disk/upper,workdir=$dir/disk/work" "$dir/root"
exec systemd-nspawn --quiet --directory="$dir/root" --machine="$id" --hostname="$name" --register=no --keep-unit \
	--network-namespace-path="$netns" --bind="$dir/disk/libvirt:/var/lib/libvirt" \
	--bind=/dev/net/tun --console=read-only $legacy --resolv-conf=off --timezone=off --link-journal=no \
	--capability=all --system-call-filter="@debug @module @raw-io bpf" --boot $word
