#!/bin/sh
# Defines `swtpm_owner FOLDER`: prints "USER:GROUP", the owner that the TPM state in FOLDER has to
# have. swtpm runs as a user of its own, and libvirt changes the owner of the folder but not always
# of its contents. The owner is that of other VMs' state on this host, else the one that libvirt's
# configuration names, else libvirt's default.
#
# Runs on the hypervisor, within other scripts.
qemu_conf_word() {
	sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*\"\{0,1\}\([^\"[:space:]]*\).*/\1/p" \
		/etc/libvirt/qemu.conf 2>/dev/null | tail -n 1
}

swtpm_owner() {
	for d in /var/lib/libvirt/swtpm/*/tpm*; do
		case $d in "$1"/*) continue ;; esac
		if [ -d "$d" ] && stat -c %u:%g -- "$d"; then return; fi
	done
	u=$(qemu_conf_word swtpm_user)
	g=$(qemu_conf_word swtpm_group)
	for n in tss swtpm root; do
		if [ -z "$u" ] && id "$n" >/dev/null 2>&1; then u=$n; fi
	done
	echo "$u:${g:-$(id -g -n "$u")}"
}
