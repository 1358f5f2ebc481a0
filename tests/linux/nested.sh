#!/usr/bin/env bash
# nested.sh BUILD [PATTERN...] - what runs in the nested test VM, as one TAP stream; see README.md.
#   VITRINE_NESTED=short  (the default) stock Linux kernels as guests (in/case-*.sh), and one test of each area of the
#                         engine, the devices and vitrine-vm, which meet a second kind of KVM (AMD's) there
#   VITRINE_NESTED=full   all of those tests; what run-all asks for when this host has no KVM of its own
# Two lanes, each a machine on a CPU of this host's and with its share of the entries. When an emulated machine breaks
# down (it does so now and then by itself: an exception in its kernel's entry code, or it spins for ever), it is started
# again and goes on with what had not been finished.
set -u -o pipefail
build=$(cd "${1:?usage: nested.sh BUILD [PATTERN...]}" && pwd); shift
src=$(cd "$(dirname "$0")/../.." && pwd)
. "$src/tests/linux/l1.bash"
trap l1_cleanup EXIT
total=${VITRINE_L1_SECONDS:-1800} tries=3 # seconds for all of it; attempts of one entry that the machine does not survive

# NAME:SECONDS, the limit some five times what it takes on two free cores.
short=(linux/in/smoke:120 kvm/test_engine_irq:60 kvm/test_engine_mem:60 kvm/test_engine_state:120 kvm/test_devices_snapshot:60)
full=("${short[@]}" kvm/test_engine_run:120 kvm/test_engine_manual:120 kvm/test_engine_dirty:240 kvm/test_devices_console:90)
# Left out here:
#   kvm/guests      CPU shares of idle guests and the drift of the clock guest, held against wall-clock seconds
#   kvm/vmhost_*, kvm/protocol, tui/*
#                   thousands of short-lived socat, jq and tmux processes, which the emulated CPU takes minutes to
#                   start, and answers due within milliseconds; linux/in/smoke goes their main road
case ${VITRINE_NESTED:-short} in
full) list=("${full[@]}") ;;
short) list=("${short[@]}") ;;
*) echo "Bail out! VITRINE_NESTED is full or short, not $VITRINE_NESTED"; exit 1 ;;
esac
# The cases say in their heads how long they may take, and with which arguments they run.
for f in "$src"/tests/linux/in/case-*.sh; do
	limit=$(sed -n 's/^# limit: //p' "$f")
	for argument in $(sed -n 's/^# with: //p' "$f" | grep . || echo -); do
		entry=linux/in/$(basename "$f" .sh):${limit:?no limit in $f}
		[ "$argument" = - ] || entry+=:$argument
		list+=("$entry")
	done
done
wanted=()
for entry in "${list[@]}"; do
	[ $# -eq 0 ] && wanted+=("$entry")
	for p in "$@"; do [[ $entry != *$p* ]] || { wanted+=("$entry"); break; }; done
done
[ ${#wanted[@]} -gt 0 ] || { echo "Bail out! nothing is called $*"; exit 1; }

# ---- what lanes say: "ok - TEXT", "not ok - TEXT" and remarks; each entry's in one piece, numbered by the parent
result() { printf '%s - %s\n' "$1" "$2"; }
piece() { local text; text=$(cat); flock 8; printf '%s\n' "$text"; flock -u 8; } # stdin, not mixed with the other lane's
label() { local l=${1#linux/in/} a; IFS=: read -r l _ a <<<"$l"; printf '%s' "$l${a:+ $a}"; }

# retell LABEL STATUS SECONDS: what the entry printed (in $l1_work/held) becomes our results
retell() {
	local line good=0 failed=0 skipped=0 plan=
	while IFS= read -r line; do
		case $line in
		ok\ *\#\ [Ss][Kk][Ii][Pp]*) skipped=$((skipped + 1)); result ok "$1: ${line#ok * - }" ;;
		ok\ *) good=$((good + 1)); result ok "$1: ${line#ok * - }" ;;
		not\ ok\ *) failed=$((failed + 1)); result "not ok" "$1: ${line#not ok * - }" ;;
		1..*) plan=${line#1..} ;;
		Bail\ out*) failed=$((failed + 1)); result "not ok" "$1: $line" ;;
		\#*) printf '%s\n' "$line" ;;
		*) printf '# %s: %s\n' "$1" "$line" ;;
		esac
	done <"$l1_work/held"
	if [ "$2" -eq 124 ] || [ "$2" -eq 137 ]; then
		result "not ok" "$1 ends in time"
	elif [ "$failed" -eq 0 ] && { [ "$2" -ne 0 ] || [ "${plan:-0}" -ne $((good + skipped)) ] || [ "${plan:-0}" -eq 0 ]; }; then
		result "not ok" "$1 runs to its end (status $2, plan ${plan:-none}, $((good + skipped)) results)"
	fi
	printf '# %-28s %3d ok %2d failed %2d skipped %4d s\n' "$1" "$good" "$failed" "$skipped" "$3"
}

# given_up ENTRY WHY: no verdict on it. That is a skip only where the tests of KVM run on this host's own.
given_up() {
	if "$build/vitrine" check >/dev/null 2>&1; then result ok "$(label "$1") # SKIP $2"
	else result "not ok" "$(label "$1"): $2, and this host has no KVM of its own"; fi
}

# one_start: runs what is left until all is done (0) or the machine breaks down; $broken is what it was at then
one_start() {
	local line rc secs entry status=0
	broken=
	l1_run $((total - SECONDS)) tests/linux/in/run.sh "${todo[@]}" >"$l1_work/stream" &
	while IFS= read -r line; do
		case $line in
		'@@begin '*) broken=${line#@@begin }; : >"$l1_work/held" ;;
		'@@end '*)
			read -r _ rc secs entry <<<"$line"
			broken= todo=("${todo[@]:1}")
			if [ "$rc" -ne 0 ] && [ -z "${again[$entry]:-}" ]; then
				again[$entry]=1 later+=("$entry")
				{
					echo "# $(label "$entry") failed (status $rc, $secs s) and will be run once more. What it said:"
					sed 's/^/# /' "$l1_work/held"
				} | piece
			else
				retell "$(label "$entry")" "$rc" "$secs" | piece
			fi ;;
		*) printf '%s\n' "$line" >>"$l1_work/held" ;;
		esac
	done <"$l1_work/stream"
	wait $! || status=$?
	return "$status"
}

# lane NUMBER CPU ENTRY...: an emulated machine on that CPU until all of those have a verdict. A process of its own.
lane() {
	local -A attempts again
	local todo later entry broken empty=0 # starts in which nothing even began
	exec 8>"$l1_work/piece" # opened by each lane, or both would hold the same lock
	l1_lane "$1" "$2"; shift 2
	todo=("$@")
	later=() # failed once: the faults of the emulated machine (README.md) hit guests too, so they have a second chance
	         # in one that was started anew. What fails twice has failed.
	mkfifo "$l1_work/stream"
	while [ ${#todo[@]} -gt 0 ]; do
		if [ "$SECONDS" -ge $((total - 20)) ]; then
			for entry in "${todo[@]}" "${later[@]}"; do
				result "not ok" "$(label "$entry"): no time was left for it${again[$entry]:+ once more} (of $total s)"
			done | piece
			break
		fi
		: >"$l1_work/held"
		if one_start && [ ${#todo[@]} -eq 0 ]; then
			todo=("${later[@]}") later=()
			continue
		fi
		[ -n "$broken" ] || empty=$((empty + 1))
		if [ "$empty" -ge $tries ]; then
			for entry in "${todo[@]}" "${later[@]}"; do
				given_up "$entry" "the emulated machine did not come up $tries times"
			done | piece
			break
		fi
		entry=${broken:-${todo[0]}}
		attempts[$entry]=$((${attempts[$entry]:-0} + 1))
		{
			echo "# the emulated machine broke down during $(label "$entry"), attempt ${attempts[$entry]}; what had come of it:"
			sed 's/^/# /' "$l1_work/held"
			[ "${attempts[$entry]}" -lt $tries ] || given_up "$entry" "the emulated machine crashed or hung $tries times in it"
		} | piece
		[ "${attempts[$entry]}" -lt $tries ] || todo=("${todo[@]:1}")
		[ ${#todo[@]} -gt 0 ] || { todo=("${later[@]}"); later=(); }
	done
}

# lanes: starts them, the entries spread so that both may take as long, by what they are allowed to take
lanes() {
	local entry limit i cpus at sum=(0 0) share0=() share1=() pids=()
	mapfile -t cpus < <(l1_cpus 2)
	while read -r limit entry; do
		at=0
		[ ${#cpus[@]} -lt 2 ] || [ "${sum[0]}" -le "${sum[1]}" ] || at=1
		sum[at]=$((sum[at] + limit))
		if [ $at -eq 0 ]; then share0+=("$entry"); else share1+=("$entry"); fi
	done < <(for entry in "${wanted[@]}"; do IFS=: read -r _ limit _ <<<"$entry"; echo "$limit $entry"; done | sort -rns -k1,1)
	lane 0 "${cpus[0]:-}" "${share0[@]}" & pids+=($!)
	[ ${#share1[@]} -eq 0 ] || { lane 1 "${cpus[1]}" "${share1[@]}" & pids+=($!); }
	for i in "${pids[@]}"; do wait "$i" || result "not ok" "a lane ends well (status $?)"; done
}

l1_make cloud standard
case $? in
0) ;;
3) line=$(given_up all "no Debian kernel to be had"); echo "${line/ - / 1 - }"; echo 1..1; [[ $line == ok* ]]; exit ;;
*) echo "Bail out! the nested test VM cannot be made"; exit 1 ;;
esac
n=0 bad=0
while IFS= read -r line; do
	case $line in
	'ok - '*) n=$((n + 1)); printf 'ok %d - %s\n' "$n" "${line#ok - }" ;;
	'not ok - '*) n=$((n + 1)) bad=1; printf 'not ok %d - %s\n' "$n" "${line#not ok - }" ;;
	*) printf '%s\n' "$line" ;;
	esac
done < <(lanes)
printf '1..%d\n' "$n"
exit "$bad"
