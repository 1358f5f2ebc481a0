#!/usr/bin/env bash
# case-load.sh - a Debian kernel that never stops writing to its disks and fetching over its network: paused and resumed,
# saved and brought back in the middle of it, in place and in a new process. Nothing is lost, the disks, an image file
# and a block device, are as they were, and the network goes on; connections of the time that is undone are reset.
# limit: 600
# with: cloud/vmlinux
. "$(dirname "$0")/lib.bash"
image=/var/tmp/image www=$tap_dir/www
truncate -s 64M "$image"
truncate -s 16M /var/tmp/device
insmod /lib/modules/loop.ko 2>/dev/null
device=$(busybox losetup -f) && busybox losetup "$device" /var/tmp/device
trap 'tap_cleanup; busybox losetup -d "$device"' EXIT
mkdir "$www"; dd if=/dev/urandom of="$www/f" bs=64k count=8 2>/dev/null
sum=$(md5sum <"$www/f" | cut -d' ' -f1)
busybox httpd -f -p 127.0.0.1:8080 -h "$www" & disown

up "$2" 2 --disk "$image" --disk "$device" --net user,forward=tcp:2222:22 || finish
check "file systems, on an image and on a block device" asks \
	'mkdir /mnt2; for d in a b; do mke2fs -q /dev/vd$d >/dev/null; done; mount /dev/vda /mnt && mount /dev/vdb /mnt2 && echo mounted=$?.' mounted=0.
check "a file on each" asks \
	'for m in /mnt /mnt2; do dd if=/dev/urandom of=$m/a bs=64k count=64 conv=fsync 2>/dev/null; md5sum <$m/a >$m/sum; done; sync; echo sums=$(cat /mnt*/sum | wc -l).' sums=2.
whole() {
	asks 'echo 3 >/proc/sys/vm/drop_caches; echo both=$(for m in /mnt /mnt2; do md5sum <$m/a | cmp -s - $m/sum && echo good; done | wc -l)' both=2
}

# Blocks written one by one and synced, to one disk and the other; the number of the last is in /tmp/n, -1 after an error.
check "a writer" asks '(n=0; set /mnt /mnt2; while dd if=/mnt/a of=$1/b bs=64k count=4 seek=$((n % 32 * 4)) conv=notrunc,fsync 2>/dev/null; do n=$((n + 1)); set $2 $1; echo $n >/tmp/n.new; mv /tmp/n.new /tmp/n; done; echo -1 >/tmp/n) & echo has=$((1 + 1)).' has=2.
# One transfer after the other: how many were whole is in /tmp/got, how many ended early in /tmp/broken.
check "a reader of the network" asks "until ip -4 addr show eth0 | grep -q inet; do usleep 100000; done; (while :; do s=\$(timeout 20 wget -q -O - http://10.0.2.2:8080/f 2>/dev/null | md5sum); if [ \"\${s%% *}\" = $sum ]; then echo >>/tmp/got; else echo >>/tmp/broken; fi; done) & echo reads=\$((1 + 1))." reads=2.
vitrine send -q l 'while true; do echo hello-from-guest | nc -l -p 22 >/dev/null; done &'
# Waits in the guest until another block has been written, and another transfer has come whole.
writes() {
	asks 'a=$(cat /tmp/n); for i in $(seq 300); do [ "$(cat /tmp/n)" = "$a" ] || break; usleep 100000; done; b=$(cat /tmp/n); [ $b -ne "$a" ] && [ $b -gt 0 ]; echo writes=$?.' writes=0.
}
fetches() {
	asks 'a=$(cat /tmp/got | wc -l); for i in $(seq 600); do [ "$(cat /tmp/got | wc -l)" = "$a" ] || break; usleep 100000; done; [ $(cat /tmp/got | wc -l) -gt $a ]; echo fetches=$?.' fetches=0.
}
reached() { [ "$(socat -T 5 -u TCP:127.0.0.1:2222 - 2>/dev/null)" = hello-from-guest ]; }
lives() { # lives WHEN
	check "$1: it writes" writes
	check "$1: it fetches" fetches
	check "$1: the forwarded port leads to it" wait_for 60 reached
}
as_it_was() { # as_it_was WHEN: the disks' contents are those of the snapshot, and whole
	check "$1: the files are there again, and whole" whole
	check "$1: the later ones are not" asks 'ls /mnt*/later 2>/dev/null | wc -l | sed "s/^/later=/; s/\$/./"' later=0.
	check "$1: no error was seen" asks "dmesg -r | grep -cE 'EXT4-fs error|I/O error' | sed 's/^/errors=/; s/\$/./'" errors=0.
}
stopped() { # stopped: everything is written; true when a check of both file systems finds nothing
	asks 'kill %1 %2 %3; for m in /mnt /mnt2; do until umount $m; do usleep 100000; done; done; echo unmounted=$(grep -c /mnt /proc/mounts).' unmounted=0. &&
		e2fsck -fn "$image" >"$tap_dir/fsck" 2>&1 && e2fsck -fn "$device" >>"$tap_dir/fsck" 2>&1 || { note "$(cat "$tap_dir/fsck")"; return 1; }
}

lives "at first"
paused=0
for i in 1 2 3; do
	vitrine pause l && is paused && vitrine resume l && paused=$((paused + 1))
done
check "three pauses in the middle of it" test $paused -eq 3
check "a snapshot in the middle of it" vitrine snapshot take l s
lives "after the snapshot"
check "later, other files" asks 'for m in /mnt /mnt2; do echo later >$m/later; rm $m/a; done; sync; echo gone=$(ls /mnt /mnt2 | grep -cx a).' gone=0.
check "load" vitrine load l s
lives "loaded"
as_it_was "loaded"
asks 'echo transfers: $(cat /tmp/got | wc -l) whole, $(cat /tmp/broken 2>/dev/null | wc -l) broken off.' 'broken off.'
note "$(history_of l | tr -d '\r' | grep -a '^transfers' | tail -n 1)"
check "the file systems are clean" stopped
check "off" down

# Another process begins from it; the disks have gone on, they were even checked and unmounted.
check "another process begins from the snapshot" vitrine run -d -n l -l l/s
lives "in a new process"
as_it_was "in a new process"
check "its file systems are clean" stopped
check "both disks are told of" test "$(vitrine devices l | grep -c 'virtio-blk')" -ge 2
vitrine send l poweroff
check "poweroff" wait_for 90 is stopped
check "off again" down
finish
