#!/usr/bin/env bash
# case-vsock.sh - vsock between this machine and a stock Debian kernel: both ways, through pauses, a reset and
# snapshots, in a clone; and what is said when it cannot be had.
# limit: 800
# with: cloud/vmlinux
. "$(dirname "$0")/lib.bash"
trap '' PIPE # a connection whose other end has gone is an error of the one who writes
program=$build/tests/linux/vsock_cat data=$tap_dir/data cid=42

refused() { # refused TEXT OPTION...: a VM with these is not started, for that reason
	local text=$1; shift
	vitrine run -d -n other "$@" >"$tap_dir/refused" 2>&1 && { vitrine stop --force other; return 1; }
	grep -qF -- "$text" "$tap_dir/refused" || { note "$(cat "$tap_dir/refused")"; return 1; }
}
# to_guest PORT FILE: from here into /tmp/got there; from_guest PORT FILE FILE: the guest's into ours
to_guest() {
	local sum; sum=$(md5sum <"$2" | cut -d' ' -f1)
	vitrine send "$guest" "vc listen $1 </dev/null >/tmp/got; echo st=\$? \$(md5sum </tmp/got) >/tmp/st"
	wait_for 30 socat -u "FILE:$2" "VSOCK-CONNECT:$cid:$1" 2>/dev/null && asks 'cat /tmp/st' "st=0 $sum"
}
pull() { # the guest sends $2 to port $1, as soon as somebody listens
	vitrine send "$guest" "until vc connect 2 $1 <$2; do sleep 1; done"
	socat -u "VSOCK-LISTEN:$1" "CREATE:$3" & puller=$!
}
from_guest() { pull "$@" && wait "$puller" && asks 'echo se""nt' sent; }
# hold PORT: a connection to the guest that stays, $held; tell TEXT: over it
hold() {
	vitrine send "$guest" "rm -f /tmp/f /tmp/held /tmp/err; mkfifo /tmp/f; sleep 9999 >/tmp/f & vc listen $1 </tmp/f >/tmp/held 2>/tmp/err &"
	rm -f "$tap_dir/f"; mkfifo "$tap_dir/f"
	# It waits for the fifo's other end first; a connect that is refused is made again.
	socat "VSOCK-CONNECT:$cid:$1,retry=60,interval=0.5" - <"$tap_dir/f" >/dev/null 2>"$tap_dir/held.err" & held=$!
	exec {line}>"$tap_dir/f"
	tell "over the line" && asks 'until grep -q line /tmp/held; do sleep 1; done; echo he""ard' heard
}
tell() { printf '%s\n' "$1" >&"$line"; }
gone() { ! kill -0 "$held" 2>/dev/null; }
# The host's end hears of it when it says something.
ends() { { tell "anybody there?" 2>/dev/null; true; } && wait_for 30 gone; local rc=$?; exec {line}>&-; return "$rc"; }
packets() { vitrine devices "$guest" | grep -o 'CID [0-9]*, [0-9]* packets to the guest, [0-9]* from it'; }
get_program() {
	asks "head -c $(stat -c %s "$program") /dev/vda >/bin/vc && chmod +x /bin/vc && test -c /dev/vsock && echo re\"\"ady" ready
}

if [ ! -e /dev/vhost-vsock ]; then
	check "without the module: what to do" refused "modprobe vhost_vsock" --vsock 42 shell
	for m in vhost_iotlb vhost vsock vmw_vsock_virtio_transport_common vhost_vsock; do insmod "/lib/modules/$m.ko"; done
fi
check "/dev/vhost-vsock is here" test -c /dev/vhost-vsock

# The guest gets its program on a disk.
cp "$program" "$tap_dir/disk" && truncate -s %512 "$tap_dir/disk"
up "$2" 2 --vsock 42 --disk "$tap_dir/disk,read_only=yes" || finish
check "the guest has vsock" get_program
check "the list of devices has it, with its CID" eval 'packets | grep -q "CID 42"'
head -c 4M /dev/urandom >"$data"
t=$SECONDS
check "host to guest: 4 MiB" to_guest 1001 "$data"
note "after $((SECONDS - t)) s"; t=$SECONDS
check "guest to host: 4 MiB" from_guest 1002 /tmp/got "$tap_dir/back"
note "after $((SECONDS - t)) s"
check "the same bytes" cmp "$data" "$tap_dir/back"
check "a CID that is taken: an error that names it" refused "CID 42 is in use" --vsock 42 shell

# A pause in the middle: nothing moves, nobody gets through, and nothing is lost.
for i in 1 2 3 4; do cat "$data"; done >"$tap_dir/big"
check "16 MiB in the guest" asks 'for i in 1 2 3 4; do cat /tmp/got; done >/tmp/big; wc -c </tmp/big' 16777216
pull 1003 /tmp/big "$tap_dir/big.back"
some() { [ "$(stat -c %s "$tap_dir/big.back" 2>/dev/null || echo 0)" -gt 1000000 ]; }
check "on their way" wait_for 60 some
check "paused" vitrine pause l
before=$(packets)
check "on their way still" test "$(stat -c %s "$tap_dir/big.back")" -lt 16777216
not_through() { ! timeout 20 socat -u FILE:/dev/null "VSOCK-CONNECT:42:1004" 2>"$tap_dir/err" && grep -q 'timed out' "$tap_dir/err"; }
check "nobody gets through to a paused guest" not_through
check "no packet moved" test "$before" = "$(packets)"
check "resumed" vitrine resume l
check "all of it came" wait "$puller"
check "and is whole" cmp "$tap_dir/big" "$tap_dir/big.back"

# A snapshot, with a connection open; it is loaded into the VM as it runs.
check "a connection that stays" hold 1005
check "snapshot" eval 'vitrine snapshot take l one >/dev/null'
check "the connection has come through" eval 'tell "second line" && asks "until grep -q second /tmp/held; do sleep 1; done; echo he\"\"ard" heard'
check "load" vitrine load l one
check "the guest's end: ECONNRESET" asks 'until [ -s /tmp/err ]; do sleep 1; done; cat /tmp/err' 'connection: ECONNRESET'
check "the host's end of it ends" ends
check "host to guest again" to_guest 1006 "$data"
check "guest to host again" from_guest 1007 /tmp/got "$tap_dir/back2"
check "the same bytes" cmp "$data" "$tap_dir/back2"

# The snapshot in a new VM beside it: it needs a CID of its own.
check "a clone with the same CID is refused" refused "CID 42 is in use" --load l/one
vitrine run -d -n clone --load l/one --vsock 77 >"$tap_dir/said" 2>&1; guest=clone cid=77
check "a clone with another runs" is running
check "its connection: ECONNRESET" asks 'until [ -s /tmp/err ]; do sleep 1; done; cat /tmp/err' 'connection: ECONNRESET'
check "it is reached at its own CID" to_guest 1008 "$data"
check "and reaches the host" from_guest 1009 /tmp/got "$tap_dir/back3"
check "the same bytes" cmp "$data" "$tap_dir/back3"
check "the clone is off" down
guest=l cid=42

# A reset, with a connection open.
check "a connection that stays" hold 1010
con_open l
banners() { [ "$(grep -aoF 'CPUs, on /dev/hvc0' "$con" | wc -l)" -ge "$1" ]; }
check "attached" wait_for 20 banners 1
vitrine reset l
check "reset: a prompt again" wait_for 240 banners 2
con_close
check "the program again" get_program
check "the host's end of the old connection ends" ends
check "host to guest after the reset" to_guest 1011 "$data"
check "guest to host after the reset" from_guest 1012 /tmp/got "$tap_dir/back4"
check "the same bytes" cmp "$data" "$tap_dir/back4"
check "off" down
check "and its CID is free" eval 'vitrine run -d -n other --vsock 42 shell >/dev/null && vitrine stop --force other'
finish
