#!/bin/sh
# Finds what the watchdog timers of earlier jobs left for a domain. If no QEMU runs the domain, it
# is not known yet whether the guest is still frozen, so the timer counts as armed.
#
# Runs on the hypervisor.
# $1 short UUID of the repository
# $2 the domain's UUID
# Prints "armed TAG", "stale TAG", "fired TAG" or "foreign TAG", one a line (deadman.h explains
# them).
# Exit status: 0.
. ./same-guest.sh

for f in /var/lib/orch/orch-*.thaw.id /run/orch/orch-*.thaw.fired; do
	# shellcheck disable=SC2015 # whichever of the three fails, the file is none of this domain's
	[ -e "$f" ] && read -r q u < "$f" && [ "$u" = "$2" ] || continue
	t=${f##*/}
	t=${t%.thaw.*}
	case $f in
	*/orch-"$1"-*.id)
		if same_guest "$2" "$q" || [ -z "$(qemu_id "$2")" ]; then
			echo "armed $t"
		else
			echo "stale $t"
		fi
		;;
	*/orch-"$1"-*) [ -e "/var/lib/orch/$t.thaw.id" ] || echo "fired $t" ;;
	*.id) echo "foreign $t" ;;
	esac
done
exit 0
