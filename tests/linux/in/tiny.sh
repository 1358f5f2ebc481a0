#!/usr/bin/env bash
# tiny.sh - inside the nested test VM: runs test programs and scripts of the build and prints one TAP stream,
# each line under the name of where it came from. Arguments: NAME:SECONDS..., NAME as in kvm/test_engine_run.
set -u
n=0 bad=0

# verdict OK|"not ok" TEXT
verdict() { n=$((n + 1)); printf '%s %d - %s\n' "$1" "$n" "$2"; [ "$1" = ok ] || bad=1; }

# retell NAME: what is read becomes our results, up to the line with the exit status; counts good, failed, skipped
retell() {
	local line
	good=0 failed=0 skipped=0 plan= rc=
	while [ -z "$rc" ] && IFS= read -r line; do
		case $line in
		ok\ *\#\ [Ss][Kk][Ii][Pp]*) skipped=$((skipped + 1)); verdict ok "$1: ${line#ok * - }" ;;
		ok\ *) good=$((good + 1)); verdict ok "$1: ${line#ok * - }" ;;
		not\ ok\ *) failed=$((failed + 1)); verdict "not ok" "$1: ${line#not ok * - }" ;;
		1..*) plan=${line#1..} ;;
		Bail\ out*) failed=$((failed + 1)); verdict "not ok" "$1: $line" ;;
		'@@status '*) rc=${line#@@status } ;;
		\#*) printf '%s\n' "$line" ;;
		*) printf '# %s: %s\n' "$1" "$line" ;;
		esac
	done
}

for what in "$@"; do
	name=${what%:*} limit=${what##*:} began=$SECONDS
	case $name in
	*/test_*) command=("$build/tests/$name") ;;
	*) command=(bash "$src/tests/$name.sh" "$build") ;;
	esac
	retell "$name" < <(timeout --kill-after=5 "$limit" "${command[@]}" 2>&1 </dev/null; echo "@@status $?")
	if [ $rc -eq 124 ] || [ $rc -eq 137 ]; then
		verdict "not ok" "$name ends within $limit s"
	elif [ "$failed" -eq 0 ] && { [ $rc -ne 0 ] || [ "${plan:-0}" -ne $((good + skipped)) ] || [ "$plan" -eq 0 ]; }; then
		verdict "not ok" "$name runs to its end (status $rc, plan ${plan:-none}, $((good + skipped)) results)"
	fi
	printf '# %-28s %3d ok %2d failed %2d skipped %4d s\n' "$name" "$good" "$failed" "$skipped" $((SECONDS - began))
done
printf '1..%d\n' "$n"
exit "$bad"
