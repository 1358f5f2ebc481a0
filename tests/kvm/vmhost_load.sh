#!/usr/bin/env bash
# vmhost_load.sh - loads and deletions that are cut off: at each of the calls that change files the VM's processes are
# killed, or the call fails. Disks are all as before, or all the snapshot's, or the VM says so and does not start.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"
snaps=$XDG_STATE_HOME/vitrine/d/snapshots
at=$build/tests/lib/syscall_at log=$tap_dir/calls
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # it cannot look for leaks under ptrace
mkdir "$tap_dir/disks" "$tap_dir/other"
a=$tap_dir/disks/a b=$tap_dir/other/b dev=

# A disk's contents: `1` is in the snapshot, `2` is what it has before a load. Of the device, the rest is zeros in 1.
truncate -s 256K "$tap_dir/dev.img"
if [ "$(id -u)" -eq 0 ] && dev=$(losetup -f --show "$tap_dir/dev.img" 2>"$tap_dir/losetup"); then
	trap 'tap_cleanup; losetup -d "$dev" 2>/dev/null' EXIT
else
	note "$(cat "$tap_dir/losetup" 2>/dev/null)"; dev=
fi
for c in 1 2; do
	head -c 65536 /dev/zero | tr '\0' $c >"$tap_dir/file$c"
	head -c 262144 /dev/zero | tr '\0' $c >"$tap_dir/device$c"
done
head -c 196608 /dev/zero | dd of="$tap_dir/device1" seek=1 bs=65536 conv=notrunc status=none
reference() { if [ -b "$1" ]; then echo "$tap_dir/device$2"; else echo "$tap_dir/file$2"; fi; }
fill() { local c=$1 d; shift; for d; do dd if="$(reference "$d" "$c")" of="$d" conv=notrunc,fsync status=none; done; }
has() { # has DISK...: 1, 2, or mixed
	local d c all=
	for d; do
		for c in 1 2 mixed; do cmp -s "$d" "$(reference "$d" $c)" && break; done
		[ -z "$all" ] || [ "$all" = "$c" ] || c=mixed
		all=$c
	done
	echo "$all"
}
options() { local d; opts=(--kernel guest:shell --memory 8M); for d; do opts+=(--disk "$d"); done; }
up() { start d "$@" && qmp_open d; }
quit() { local p; p=$(pid_of d); qmp quit >/dev/null; qmp_close; wait_for 30 gone "$p"; }
leftovers() { find "$tap_dir/disks" "$tap_dir/other" "$snaps" -name '.*' -mindepth 1; }
snapshot_of() { # snapshot_of DISK...: one, of contents 1
	fill 1 "$@"; options "$@"
	up "${opts[@]}" || { note "$(cat "$tap_dir/start.err")"; return 1; }
	[ "$(job snapshot-save one)" = ok ]; local rc=$?
	quit; return $rc
}

# after_crash DISK...: starts the VM again; what happened, in $how: old, new or refused; false when something is torn
after_crash() {
	local said=$(has "$@") err
	options "$@"
	if up "${opts[@]}"; then
		quit; how=$(has "$@")
		[ "$how" != mixed ] || { note "started with mixed disks"; return 1; }
		[ "$said" = mixed ] && how=completed
	else
		how=refused; err=$(cat "$tap_dir/start.err")
		[[ $err == *"was cut off"*"vitrine run --name d --load"* ]] || { note "refused, but: $err"; return 1; }
		up --load one || { note "cannot be completed: $(cat "$tap_dir/start.err")"; return 1; }
		quit
		[ "$(has "$@")" = 1 ] || { note "completed, and the disks are $(has "$@")"; return 1; }
		up "${opts[@]}" || { note "completed, and: $(cat "$tap_dir/start.err")"; return 1; }
		quit
	fi
	[ -z "$(leftovers)" ] || { note "left: $(leftovers)"; rm -f $(leftovers); return 1; }
}
# from_snapshot N DISK...: starts from the snapshot, on disks of contents 2; at call number N it is killed (0: never).
# True when that happened before it was up; else it has ended by itself
from_snapshot() {
	local n=$1 pid rc; shift
	fill 2 "$@"; : >"$tap_dir/ready"
	"${lack[@]}" "$at" kill "$n" "$log" "$vm" --name d --foreground --ready-fd 3 --load one 3>"$tap_dir/ready" >"$tap_dir/said" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null && [ ! -s "$tap_dir/ready" ]; do sleep 0.01; done
	[ ! -s "$tap_dir/ready" ] || kill -TERM "$(pid_of d)"
	wait $pid; rc=$?
	[ $rc -eq 99 ] && [ ! -s "$tap_dir/ready" ]
}
# every_point NAME CALLS WANTED DISK...: kills a start from the snapshot at every call from right before the mark on that
# is like CALLS. WANTED: what has to come up, each at least once. $lack: what the kernel cannot do
every_point() {
	local name=$1 calls=$2 wanted=$3 n points first bad=0 w seen=' '; shift 3
	from_snapshot 0 "$@"
	check "$name: not cut off, it is done" test "$(cat "$tap_dir/ready")-$(has "$@")-$(leftovers)" = ready-1-
	first=$(grep -nE 'pwrite64 .*/\.load\.new' "$log" | cut -d: -f1)
	points=$(awk -v from="$first" -v calls="$calls" 'NR >= from && $0 ~ calls { print NR }' "$log")
	for n in $points; do
		from_snapshot "$n" "$@" || break
		if after_crash "$@"; then seen="$seen$how "; else bad=$((bad + 1)); note "... at: $(tail -n 1 "$log")"; fi
	done
	note "$(tr -s ' ' '\n' <<<"$seen" | grep . | sort | uniq -c | tr -s '\n ' ' ')"
	check "$name: never torn and started" test $bad -eq 0
	for w in $wanted; do [[ $seen == *" $w "* ]] || { not_ok "$name: $w"; continue; }; ok "$name: $w"; done
}

lack=()
check "a snapshot of two images" snapshot_of "$a" "$b"
every_point "two images" . "2 completed 1" "$a" "$b"
lack=("$build/tests/lib/lacking" exchange)
every_point "names cannot be exchanged" "^(rename|link|unlinkat .load)" "2 completed 1" "$a" "$b"
lack=("$build/tests/lib/lacking" exchange,link)
every_point "nor files have two names" "^(rename|unlinkat .load)" "2 completed 1" "$a" "$b"
lack=()

# ---- a mark that this VM cannot make sense of
mark() { printf '%s' "$1" >"$snaps/.load"; }
disk() { printf '{"path": "%s", "device": false, "old-inode": %d, "new-inode": 1}' "$1" "$2"; }
refused() { # refused NAME WANT OPTIONS...
	local name=$1 want=$2; shift 2
	if up "$@"; then not_ok "$name: it starts"; quit; return; fi
	check "$name" grep -qF -- "$want" "$tap_dir/start.err" || note "$(cat "$tap_dir/start.err")"
}
fill 2 "$a" "$b"; options "$a" "$b"
mark 'not JSON'
refused "a mark that is none" "cannot be read (Bad message): the disks may be partly the snapshot's; remove it if" "${opts[@]}"
mark "{\"version\": 1, \"load\": \"d/x\", \"disks\": [$(disk /etc/passwd "$(stat -c %i /etc/passwd)")]}"
refused "one of a file that is none of its disks" "a load of d/x was cut off, and the disks (/etc/passwd) are partly" "${opts[@]}"
refused "which no load can complete" "and /etc/passwd, which was part of it, is no disk that this VM writes to now" --load one
mark "{\"version\": 1, \"load\": \"d/x\", \"disks\": [$(disk "$a" "$(stat -c %i "$b")"), $(disk "$b" "$(stat -c %i "$b")")]}"
refused "an image that somebody else put there" "complete it: vitrine run --name d --load d/x (any snapshot with these disks will do)" "${opts[@]}"
mark "{\"version\": 1, \"load\": \"d/x\", \"disks\": [$(disk "$a" "$(stat -c %i "$a")"), $(disk "$b" "$(stat -c %i "$b")")]}"
check "old images: the load changed nothing" up "${opts[@]}"
quit; check "and its mark goes" test "$(has "$a" "$b")-$(leftovers)" = 2-

# ---- in a VM that runs
goes_on() { con_open d; say d $'peek 0x100010\r'; wait_for 15 shows 'peek 0x100010'; local rc=$?; con_close; return $rc; }
# in_job kill|fail PATTERN COMMAND DISK...: starts the VM with disks of contents 2, does COMMAND to snapshot one, and at
# its first call that matches PATTERN (of the log) the VM is killed or the call fails; $said is what the job said
in_job() {
	local how=$1 pattern=$2 command=$3 n; shift 3
	options "$@"
	for n in 0 find; do
		[ $n = 0 ] || n=$(grep -nE -- "$pattern" "$log" | head -n 1 | cut -d: -f1)
		[ -n "$n" ] || { note "no $pattern in: $(cat "$log")"; return 1; }
		fill 2 "$@"; : >"$tap_dir/ready"
		"$at" "$how" "$n" "$log" "$vm" --name d --foreground --ready-fd 3 "${opts[@]}" 3>"$tap_dir/ready" >"$tap_dir/said" 2>&1 &
		at_pid=$!
		wait_for 20 test -s "$tap_dir/ready" && qmp_open d || return 1
		if [ "$n" = 0 ]; then # only to see which calls it makes
			cp -a --sparse=always "$snaps/." "$tap_dir/kept"
			job "$command" one >/dev/null; quit; wait "$at_pid"
			rm -rf "$snaps"; mv "$tap_dir/kept" "$snaps"
		fi
	done
	if [ "$how" = fail ]; then said=$(job "$command" one); else
		qmp "$command" '{"job-id": "j", "tag": "one"}' >/dev/null; wait "$at_pid"; [ $? -eq 99 ] || return 1
		qmp_close
	fi
	return 0
}
check "its second image cannot be put in place" in_job fail 'renameat2 .b.vitrine-load b' snapshot-load "$a" "$b"
check "the job says so" grep -q "disk1: $b cannot be exchanged for the new image: Input/output error" <<<"$said"
check "the images are as they were" test "$(has "$a" "$b")-$(leftovers)" = 2-
check "the guest goes on" goes_on
check "the same again works" test "$(job snapshot-load one)-$(has "$a" "$b")-$(leftovers)" = ok-1-
check "and goes on from there" goes_on
quit; wait "$at_pid"
check "killed between two images" in_job kill 'renameat2 .b.vitrine-load b' snapshot-load "$a" "$b"
check "they were one old and one new" test "$(has "$a" "$b")" = mixed
check "the next start completes the load" eval "after_crash '$a' '$b' && [ \$how = completed ]"

# ---- what is on the disk before what: a loss of power must not find it otherwise
# in_order PATTERN...: are there calls like these in the log, each after the one before?
in_order() {
	local p at=0 n
	for p; do
		n=$(awk -v from=$at -v p="$p" 'NR > from && $0 ~ p { print NR; exit }' "$log")
		[ -n "$n" ] || { note "no $p after line $at of: $(cat "$log")"; return 1; }
		at=$n
	done
}
options "$a" "$b"; fill 1 "$a" "$b"; : >"$tap_dir/ready"
"$at" kill 0 "$log" "$vm" --name d --foreground --ready-fd 3 "${opts[@]}" 3>"$tap_dir/ready" >"$tap_dir/said" 2>&1 &
at_pid=$!
wait_for 20 test -s "$tap_dir/ready" && qmp_open d
check "a snapshot, watched" test "$(job snapshot-save watched)" = ok
first_sync=$(grep -n ^fsync "$log" | head -n 1 | cut -d: -f1) last_copy=$(grep -nE '^[^f].*/disk[01] $' "$log" | tail -n 1 | cut -d: -f1)
check "nothing is synced before everything is copied, and the guest runs again" test "${first_sync:-0}" -gt "${last_copy:-0}"
for f in manifest.json state console memory disk0 disk1; do
	check "$f is synced before the snapshot gets its name" in_order "fsync .*/.new-[^/]*/$f" 'renameat.* .new-' 'fsync .*/snapshots $'
done
: >"$log"; fill 2 "$a" "$b"
check "a load, watched" test "$(job snapshot-load watched)-$(has "$a" "$b")" = ok-1
check "images, then the mark, then their names, then no mark" in_order 'fsync .*/.b.vitrine-load' 'fsync .*/.load.new' \
	'renameat.* .load.new .load' 'fsync .*/snapshots' 'renameat2 .a' 'fsync .*/disks' 'renameat2 .b' 'fsync .*/other' 'unlinkat .load'
check "a deletion, watched" test "$(job snapshot-delete watched)" = ok
check "its name goes for good before its files" in_order 'renameat.* .del-' 'fsync .*/snapshots' 'unlinkat manifest.json'
quit; wait "$at_pid"

# ---- deleted
in_list() { qmp snapshot-list | jq -c '[.return[] | .name + .problem]'; }
for point in 'renameat one_? .del' 'fsync .*/snapshots' 'unlinkat memory' 'unlinkat .del-'; do
	pattern=${point/one_\?/2.*}
	check "killed while it deletes, before: $point" in_job kill "^$pattern" snapshot-delete "$a" "$b"
	options "$a" "$b"; up "${opts[@]}"
	want='[]'; [ "$point" != "${point#renameat}" ] && want='["one"]'
	check "it is whole or gone" test "$(in_list)-$(leftovers)" = "$want-"
	quit; [ "$want" != '[]' ] || snapshot_of "$a" "$b"
done

# ---- a block device
if [ -z "$dev" ]; then
	skip "no loop device can be had (root?)" "snapshots of block devices"
	finish
fi
rm -rf "$snaps"
check "a snapshot of an image and a block device" snapshot_of "$a" "$dev"
copy=$(echo "$snaps"/*/disk1)
check "the device's copy is as long, and has holes" eval 'cmp -s "$copy" "$tap_dir/device1" && [ $(du -k "$copy" | cut -f1) -lt 128 ]'
every_point "a block device" . "2 refused 1" "$a" "$dev"
check "a device that fails in the middle" in_job fail "fallocate $dev" snapshot-load "$a" "$dev"
check "the job says so" grep -q "disk1: $dev is written only in part: Input/output error" <<<"$said"
check "the VM stands still" status_is io-error
half="a load failed half-way, and the disks are partly the snapshot's: load that snapshot, or another (disk1: "
for command in cont system_reset 'snapshot-save {"job-id": "s", "tag": "x"}' 'snapshot-delete {"job-id": "s", "tag": "one"}'; do
	# shellcheck disable=SC2086
	check "refused: ${command%% *}" eval 'qmp ${command%% *} "${command#"${command%% *}"}" | jq -r .error.desc | grep -qF "$half"'
done
check "the image is as it was" test "$(has "$a")-$(has "$dev")" = 2-mixed
check "the same again works" test "$(job snapshot-load one)-$(has "$a" "$dev")-$(leftovers)" = ok-1-
check "and goes on from there" goes_on
fill 2 "$a" "$dev"; cp "$copy" "$tap_dir/copy"
printf x | dd of="$copy" bs=1 seek=200000 conv=notrunc status=none
check "a damaged copy is named" eval 'job snapshot-load one | grep -qF "disk1: chunk 0 (from 0) does not match its checksum"'
check "before anything is touched" test "$(has "$a" "$dev")-$(leftovers)" = 2-
cp "$tap_dir/copy" "$copy"
quit; wait "$at_pid"
check "killed while the device is written" in_job kill "fsync $dev" snapshot-load "$a" "$dev"
check "the VM does not start until it is loaded" eval 'after_crash "$a" "$dev" && [ $how = refused ]'
options "$dev" "$a"
refused "a device of another size" "manifest: its disk0 has 65536 bytes, the block device $dev has 262144; it needs one of that size" --load one "${opts[@]:4}"
fill 2 "$a" "$dev"
check "a device that cannot write zeros by itself" "$build/tests/lib/lacking" zeroing "$vm" --name d --load one
check "gets them written" test "$(has "$a" "$dev")" = 1
finish
