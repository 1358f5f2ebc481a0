#!/usr/bin/env bash
# case-pause.sh - paused and resumed under load, and back to a snapshot: time stands still and goes on, nothing is lost.
# limit: 300
# with: cloud/vmlinux,2
. "$(dirname "$0")/lib.bash"
IFS=, read -r kernel cpus <<<"$2"

up "$kernel" "$cpus" || finish
check "load on every vCPU" asks \
	"for i in \$(seq $cpus); do (n=0; while :; do n=\$((n + 1)); echo \$n >/tmp/count\$i; done) & done; echo load\$((1 + 1))." load2.
counts() { asks 'a=$(cat /tmp/count1); while [ "$(cat /tmp/count1)" = "$a" ]; do :; done; echo moves$((1 + 1)).' moves2.; }
check "it counts" counts

# The console goes on where it stood, through five pauses, without kernel messages between its lines.
check "a quiet kernel" asks 'dmesg -n 1; echo quiet=$?.' quiet=0.
con_open l
vitrine send l "echo BEG''IN; seq 1 2500; echo EN''D"
ended() { tail -c 400 "$con" | tr -d '\r' | grep -qx END; }
size_of() { stat -c %s "$con"; }
grew() { [ "$(size_of)" -gt "$1" ]; }
still=0
for i in 1 2 3 4 5; do
	at=$(size_of); ended || wait_for 20 grew "$at"
	vitrine pause l || break
	is paused || break
	# What had left the guest may still come; then it must stand still.
	at=-1; while [ "$at" != "$(size_of)" ]; do at=$(size_of); sleep 0.3; done
	vitrine registers l >"$tap_dir/a"; sleep 0.3; vitrine registers l >"$tap_dir/b"
	cmp -s "$tap_dir/a" "$tap_dir/b" && [ "$at" = "$(size_of)" ] && still=$((still + 1))
	vitrine resume l || break
done
check "five pauses: paused, nothing moves" test $still -eq 5
check "the output goes on to its end" wait_for 200 ended
check "and is whole" test "$(tr -d '\r' <"$con" | sed -n '/^BEGIN$/,/^END$/p' | sed '1d;$d' | md5sum)" = "$(seq 1 2500 | md5sum)"
con_close
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
