#!/usr/bin/env bash
# case-vsock.sh - vsock between this machine and a stock Debian kernel: both ways, after a reboot, through pauses and
# snapshots; and what is said when it cannot be had.
# limit: 500
# with: cloud/vmlinux
. "$(dirname "$0")/lib.bash"
guest_cat=$build/tests/linux/vsock_cat cat_size=$(stat -c %s "$build/tests/linux/vsock_cat")
MIB=1048576

refused() { # refused TEXT OPTION...: a VM with these is not started, for that reason
	local text=$1; shift
	vitrine run -d -n other "$@" shell >"$tap_dir/refused" 2>&1 && { vitrine stop --force other; return 1; }
	grep -qF -- "$text" "$tap_dir/refused" || { note "$(cat "$tap_dir/refused")"; return 1; }
}

if [ ! -e /dev/vhost-vsock ]; then
	check "without the module: what to do" refused "modprobe vhost_vsock" --vsock 42
	for m in vhost_iotlb vhost vsock vmw_vsock_virtio_transport_common vhost_vsock; do insmod "/lib/modules/$m.ko"; done
fi
check "/dev/vhost-vsock is here" test -c /dev/vhost-vsock

# The guest gets its program on a disk.
cp "$guest_cat" "$tap_dir/disk" && truncate -s %512 "$tap_dir/disk"
up "$2" 2 --vsock 42 --disk "$tap_dir/disk,read_only=yes" || finish
ready() { asks "head -c $cat_size /dev/vda >/bin/vc && chmod +x /bin/vc && ls -la /dev/vsock && echo re\"\"ady" ready; }
check "the guest has vsock" ready
check "the list of devices has it, with its CID" eval 'vitrine devices l | grep -q "CID 42"'

# to_guest PORT FILE: from here into a file of the guest; from_guest PORT FILE: the other way round
listening() { asks "vc listen $1 </dev/null >/tmp/got; echo st\"\"atus=\$?. \$(md5sum </tmp/got)" '' hvc0; }
to_guest() {
	local sum; sum=$(md5sum <"$2" | cut -d' ' -f1)
	vitrine send l "vc listen $1 </dev/null >/tmp/got; echo st\"\"atus=\$? \$(md5sum </tmp/got)"
	wait_for 30 socat -u "FILE:$2" "VSOCK-CONNECT:42:$1" || return 1
	asks '' "status=0 $sum" hvc0 60
}
from_guest() {
	socat -u "VSOCK-LISTEN:$1" "CREATE:$2" & local pid=$!
	asks "for i in 1 2 3 4 5 6 7 8 9; do vc connect 2 $1 </tmp/got && break; sleep 1; done; echo se\"\"nt=\$?." "sent=0." hvc0 90 &&
		wait "$pid"
}
head -c $((4 * MIB)) /dev/urandom >"$tap_dir/data"
t=$SECONDS
check "host to guest: 4 MiB" to_guest 1001 "$tap_dir/data"
note "after $((SECONDS - t)) s"; t=$SECONDS
check "guest to host: 4 MiB" from_guest 1002 "$tap_dir/back"
note "after $((SECONDS - t)) s"
check "the same bytes" cmp "$tap_dir/data" "$tap_dir/back"
check "a CID that is taken: an error that names it" refused "CID 42 is in use" --vsock 42
check "off" down
finish
