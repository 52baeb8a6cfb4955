#!/bin/sh
# Defines `rename_new FROM TO`: renames FROM to TO, which must not exist, durably. It ends the
# script with status 3 if it cannot. `mv -n` also reports success when it left TO alone, so the
# function checks the outcome.
#
# Runs on the hypervisor, within other scripts.
rename_new() {
	if [ -e "$2" ] || [ -L "$2" ]; then
		echo "$2 is there already" >&2
		exit 3
	fi
	# shellcheck disable=SC2015 # either failure has the same answer
	mv -nT -- "$1" "$2" && [ ! -e "$1" ] || {
		echo "$1 cannot be renamed to $2" >&2
		exit 3
	}
	sync -- "${2%/*}"
}
