#!/usr/bin/env bash
# case-disk.sh - a disk under a stock Debian kernel: a file system with files, fsync and kill -9 of the VM, a second
# boot that finds them, discard, a read-only disk.
# limit: 480
# with: cloud/vmlinux,2 standard/vmlinuz,1
. "$(dirname "$0")/lib.bash"
IFS=, read -r kernel cpus <<<"$2"
image=/var/tmp/box.img # a file system on a disk: it has holes
truncate -s 64M "$image"
truncate -s 1M "/var/tmp/ro.img"
disks=(--disk "$image,serial=BOX-7" --disk "/var/tmp/ro.img,read_only=yes")

up "$kernel" "$cpus" "${disks[@]}" || finish
check "vda has its size and serial" asks 'echo $(cat /sys/block/vda/size /sys/block/vda/serial).' "131072 BOX-7."
check "vdb is read-only" asks 'echo ro=$(cat /sys/block/vdb/ro).; dd if=/dev/zero of=/dev/vdb count=1 2>&1 | tail -1; echo wrote=$?.' "ro=1."
check "a file system is made and mounted" asks 'mke2fs /dev/vda >/dev/null; mount -t ext4 /dev/vda /mnt && echo mounted=$?.' "mounted=0."
check "files are written" asks 'dd if=/dev/urandom of=/mnt/big bs=64k count=128 conv=fsync 2>/dev/null; md5sum </mnt/big >/mnt/sum; sync; echo wrote=$(cat /mnt/sum | wc -c).' "wrote=36."
check "and read back from the disk" asks 'echo 3 >/proc/sys/vm/drop_caches; md5sum </mnt/big | cmp - /mnt/sum; echo same=$?.' "same=0."
pid=$(cat "$run/l/lock")
kill -KILL "$pid"
runs() { [ "$(state)" = running ]; }
check "the VM is killed" wait_for 20 eval '! runs'

up "$kernel" "$cpus" "${disks[@]}" || finish
check "it is mounted again" asks 'mount -t ext4 /dev/vda /mnt && echo mounted=$?.' "mounted=0."
check "and everything that was synced is there" asks 'md5sum </mnt/big | cmp - /mnt/sum; echo same=$?.' "same=0."
before=$(du -k "$image" | cut -f1)
check "a file is removed, and discarded" asks 'rm /mnt/big; sync; fstrim /mnt; echo trimmed=$?.' "trimmed=0."
check "which gives its room back to the host" test "$(du -k "$image" | cut -f1)" -lt $((before - 6000))
check "no error was seen" asks "dmesg | grep -ciE 'i/o error|ext4-fs error' | sed 's/^/errors=/; s/\$/./'" "errors=0."
check "and it ends" down
finish
