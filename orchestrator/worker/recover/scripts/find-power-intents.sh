#!/bin/sh
# Finds the notes in which jobs of this repository announced a change to a VM.
#
# Runs on the hypervisor.
# $1 the scratch folder
# $2 short UUID of the repository
# $3 the domain's UUID
# Prints "FILE WHAT SAME-QEMU AGE-SECONDS", one note a line; SAME-QEMU is "yes" when the QEMU that
# runs the domain now is the one that the note was written for, else "no".
# Exit status: 0.
. ../../host/scripts/qemu-id.sh

for f in "$1"/orch-"$2"-*.power; do
	# shellcheck disable=SC2015 # whichever of the three fails, the note is none of this domain's
	[ -e "$f" ] && read -r w u q < "$f" && [ "$u" = "$3" ] || continue
	s=no
	[ "$(qemu_id "$3")" = "$q" ] && s=yes
	echo "${f##*/} $w $s $(($(date +%s) - $(stat -c %Y "$f")))"
done
exit 0
