#!/usr/bin/env bash
# run.sh - inside the nested test VM: runs test programs, scripts and cases of the build, each within its limit.
# Arguments: NAME:SECONDS[:ARGUMENT]..., NAME as in kvm/test_engine_run or linux/in/case-boot. What one prints comes
# between @@begin ENTRY and @@end ENTRY, in one go when it is over, so that nobody takes half of it for a result.
set -u
[ -f /run/task ] || { echo "this is not the nested test VM"; exit 1; } # it empties folders
out=/run/out

for entry in "$@"; do
	IFS=: read -r name limit argument <<<"$entry"
	case $name in
	*/test_*) command=("$build/tests/$name") ;;
	*) command=(bash "$src/tests/$name.sh" "$build" ${argument:+"$argument"}) ;;
	esac
	echo "@@begin $entry"
	began=$SECONDS
	timeout --kill-after=30 "$limit" "${command[@]}" >"$out" 2>&1 </dev/null
	rc=$?
	cat "$out"
	[ -z "$(tail -c 1 "$out")" ] || echo
	echo "@@end $rc $((SECONDS - began)) $entry"
	# what a killed one left
	[ "$rc" -ne 137 ] || for p in vitrine-vm vitrine-term vitrine tmux socat; do pkill -KILL -x "$p"; done
	rm -rf /run/tmp/* /var/tmp/*
done
