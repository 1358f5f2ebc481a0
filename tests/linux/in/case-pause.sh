#!/usr/bin/env bash
# case-pause.sh - paused and resumed under load, and back to a snapshot: time stands still and goes on, nothing is lost.
# limit: 400
# with: cloud/vmlinux,2
. "$(dirname "$0")/lib.bash"
IFS=, read -r kernel cpus <<<"$2"

up "$kernel" "$cpus" -m 128M || finish
qmp_open l
check "load on every vCPU" asks \
	"for i in \$(seq $cpus); do (n=0; while :; do n=\$((n + 1)); echo \$n >/tmp/count\$i; done) & done; echo load\$((1 + 1))." load2.
counts() { asks 'a=$(cat /tmp/count1); while [ "$(cat /tmp/count1)" = "$a" ]; do :; done; echo moves$((1 + 1)).' moves2.; }
check "it counts" counts

# All that could move: registers of every vCPU, exits, virtqueues, bytes that left the guest, its memory (where asked
# for: it takes seconds). Not the name of the function at RIP: vitrine looks for the kernel's symbols in the background,
# and goes on with that in a pause.
all_of_it() { # all_of_it [PID]
	local i from to rest
	for ((i = 0; i < cpus; i++)); do
		qmp x-registers "{\"cpu\": $i}" | jq -c '.return.registers | del(.symbol, ."kernel-base")'
	done
	qmp x-exits | jq -c '[.return[].exits]'
	qmp x-devices | jq -c '[.return[] | {id, status, queues}]'
	qmp x-console-info | jq -c '[.return[].total]'
	[ -n "${1:-}" ] || return 0
	while IFS='- ' read -r from to rest; do
		[ $((0x$to - 0x$from)) -ge $((128 << 20)) ] || continue
		dd if="/proc/$1/mem" bs=1M iflag=skip_bytes,count_bytes skip=$((0x$from)) count=$((0x$to - 0x$from)) 2>/dev/null | md5sum
		return
	done < <(grep ' rw-p .* 0 *$' "/proc/$1/maps")
	return 1
}

# The console goes on where it stood, through five pauses, without kernel messages between its lines.
check "a quiet kernel" asks 'dmesg -n 1; echo quiet=$?.' quiet=0.
con_open l
vitrine send l "echo BEG''IN; seq 1 1200; echo EN''D"
ended() { tail -c 400 "$con" | tr -d '\r' | grep -qx END; }
total() { qmp x-console-info | jq '.return[0].total'; }
came() { [ "$(stat -c %s "$con")" -eq "$1" ]; }
grew() { [ "$(total)" -gt "$1" ]; }
still=0 arrived=0 sums=0
for i in 1 2 3 4 5; do
	pid=; [ $i -ne 3 ] || pid=$(cat "$run/l/lock")
	at=$(total); ended || wait_for 20 grew "$at"
	qmp stop >/dev/null
	all_of_it "$pid" >"$tap_dir/a" || { note "no memory found in $(cat "/proc/$pid/maps")"; break; }
	! grep -q ' -$' "$tap_dir/a" || sums=$((sums + 1))
	# What had left the guest by then arrives; and nothing else.
	wait_for 20 came "$(total)" && arrived=$((arrived + 1))
	sleep 0.5 # nothing is waited for: nothing may happen
	all_of_it "$pid" >"$tap_dir/b"
	if cmp -s "$tap_dir/a" "$tap_dir/b"; then still=$((still + 1)); else note "pause $i: $(diff "$tap_dir/a" "$tap_dir/b")"; fi
	qmp cont >/dev/null
done
check "five pauses: from the answer to 'stop' on, nothing moves" test "$still, $sums with memory" = "5, 1 with memory"
check "what had left the guest arrives" test $arrived -eq 5
check "the output goes on to its end" wait_for 200 ended
check "and is whole" test "$(tr -d '\r' <"$con" | sed -n '/^BEGIN$/,/^END$/p' | sed '1d;$d' | md5sum)" = "$(seq 1 1200 | md5sum)"
con_close; qmp_close
check "it still counts" counts

check "a mark" asks 'echo before >/tmp/mark; sync; echo set$((1 + 1)).' set2.
check "a snapshot under load" vitrine snapshot take l s
check "the guest goes on" counts
check "the mark overwritten" asks 'echo after >/tmp/mark; echo set$((1 + 2)).' set3.
check "load" vitrine load l s
check "the guest goes on from there" counts
check "its memory is as it was" asks 'cat /tmp/mark; echo' before
check "all vCPUs work" asks 'for i in $(seq $(nproc)); do taskset -c $((i - 1)) true || echo bad; done; echo on$(nproc).' "on$cpus."
check "ttyS0 works" asks 'echo on $(tty).' "on /dev/ttyS0." ttyS0
check "no complaint of the kernel" asks "dmesg -r | grep -E '^<[0-3]>' | grep -v TSC; echo complaints=\$?." "complaints=1."
check "off" down
check "another process begins from the snapshot" vitrine run -d -n l -l l/s
check "and goes on there, too" counts
check "with what was in memory" asks 'cat /tmp/mark; echo' before
check "off again" down
finish
