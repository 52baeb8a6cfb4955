#!/bin/sh
# Copies firmware state from the point for the domain of a test-restore.
#
# Runs on the hypervisor.
# $1 the point
# $2 the file of NVRAM in it, or empty
# $3 the copy of that file
# $4 the folder of TPM state in it, or empty
# $5 the domain's UUID
# Prints nothing.
# Exit status: 0, or that of what failed.
. ../../host/scripts/swtpm-owner.sh

set -e
umask 077
export LC_ALL=C
if [ "$2" ]; then
	cp --sparse=always -- "$1/$2" "$3"
	chmod 0600 "$3"
fi
[ "$4" ] || exit 0
d=/var/lib/libvirt/swtpm/$5
mkdir -p "${d%/*}"
chmod 0711 "${d%/*}"
cp -R -- "$1/$4" "$d"
chmod 0711 "$d"
chown -R "$(swtpm_owner "$d")" "$d"/tpm*
