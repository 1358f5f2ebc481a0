#!/usr/bin/env bash
# case-load.sh - a Debian kernel that never stops writing to its disk: paused and resumed, saved and brought back in the
# middle of it. Nothing is lost, and the disk is as it was.
# limit: 400
# with: cloud/vmlinux
. "$(dirname "$0")/lib.bash"
image=/var/tmp/image
truncate -s 64M "$image"

up "$2" 2 --disk "$image" || finish
check "a file system" asks 'mke2fs -q /dev/vda >/dev/null; mount /dev/vda /mnt && echo mounted=$?.' mounted=0.
check "a file" asks 'dd if=/dev/urandom of=/mnt/a bs=64k count=64 conv=fsync 2>/dev/null; md5sum </mnt/a >/mnt/sum; sync; echo sums=$(wc -l </mnt/sum).' sums=1.
whole() { asks 'echo 3 >/proc/sys/vm/drop_caches; md5sum </mnt/a | cmp - /mnt/sum; echo whole=$?.' whole=0.; }

# Blocks written one by one and synced; the number of the last one is in /tmp/n, -1 after an error.
check "a writer" asks '(n=0; while dd if=/mnt/a of=/mnt/b bs=64k count=4 seek=$((n % 64 * 4)) conv=notrunc,fsync 2>/dev/null; do n=$((n + 1)); echo $n >/tmp/n.new; mv /tmp/n.new /tmp/n; done; echo -1 >/tmp/n) & echo has=$((1 + 1)).' has=2.
# Waits in the guest until another block has been written.
writes() {
	asks 'a=$(cat /tmp/n); for i in $(seq 300); do [ "$(cat /tmp/n)" = "$a" ] || break; usleep 100000; done; b=$(cat /tmp/n); [ $b -ne "$a" ] && [ $b -gt 0 ]; echo writes=$?.' writes=0.
}
check "it writes" writes
paused=0
for i in 1 2 3 4 5; do
	vitrine pause l && is paused && vitrine resume l && paused=$((paused + 1))
done
check "five pauses in the middle of it" test $paused -eq 5
check "it writes on" writes
check "a snapshot in the middle of it" vitrine snapshot take l s
check "it writes on after that" writes
check "later, another file" asks 'echo later >/mnt/later; rm /mnt/a; sync; echo gone=$(ls /mnt | grep -cx a).' gone=0.
check "load" vitrine load l s
check "it writes on from there" writes
check "the file is there again, and whole" whole
check "the later one is not" asks 'ls /mnt/later; echo later=$?.' later=1.
check "no error was seen" asks "dmesg -r | grep -cE 'EXT4-fs error|I/O error' | sed 's/^/errors=/; s/\$/./'" errors=0.
vitrine send l poweroff
check "poweroff" wait_for 90 is stopped
check "off" down
finish
