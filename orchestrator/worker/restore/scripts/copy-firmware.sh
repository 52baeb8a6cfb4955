#!/bin/sh
# Copies firmware state (a file of NVRAM, a folder of TPM state) from the point, durably, with its
# contents. The destination folder is made if it is missing.
#
# Runs on the hypervisor, as a unit.
# $1 the state in the point
# $2 the copy
# $3 "run" when a VM is to run with it here: a TPM's state then becomes swtpm's; else "keep"
# Prints nothing.
# Exit status: 0, or that of what failed.
. ../../host/scripts/swtpm-owner.sh

umask 077
# shellcheck disable=SC2174 # the mode is for the last of the folders alone
mkdir -p -m 711 -- "${2%/*}" && cp -R -T -- "$1" "$2" || exit
if [ -d "$2" ] && [ "$3" = run ]; then
	own=$(swtpm_owner "$2")
	chmod 711 -- "$2" && chown -R -- "$own" "$2"/* || exit
fi
find "$2" -type f -exec sync {} +
