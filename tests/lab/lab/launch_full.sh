#!/bin/sh
# Becomes the systemd-nspawn of a full host. Runs in a mount namespace of its own.
# NAME DIR ROOT NETNS
set -eu
name=$1 dir=$2 root=$3 netns=$4

# This namespace began as a copy of the machine's: drop other hosts' disks, shares and networks, or they could not be removed while we live.
while read -r _ _ _ _ point _ rest; do
	case $rest in
	*" - ext4 /dev/loop"* | *"- ext4 /dev/loop"*) [ "$point" = "$dir/disk" ] || echo "$point" ;;
	*"- nsfs "*) [ "$point" = "$netns" ] || echo "$point" ;;
	esac
done </proc/self/mountinfo | while read -r point; do umount -l "$point" || true; done

mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/disk/upper,workdir=$dir/disk/work" "$dir/root"
exec systemd-nspawn --quiet --directory="$dir/root" --machine="${netns##*/}" --hostname="$name" --register=no --keep-unit \
	--network-namespace-path="$netns" --bind="$dir/disk/libvirt:/var/lib/libvirt" \
	--bind=/dev/net/tun --console=read-only --setenv=SYSTEMD_UNIFIED_CGROUP_HIERARCHY=0 --resolv-conf=off --timezone=off --link-journal=no \
	--capability=all --system-call-filter="@debug @module @raw-io bpf" --boot SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
