#!/usr/bin/env bash
# vmhost_disk.sh - disks of a VM: images that will not do, locks, a host that fails, a killed VM, snapshots.
# The guest is `shell`: its poke does the registers of a virtio driver, QMP writes its queue into memory.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"
img=$tap_dir/box.img
SECTORS=16384 # 8 MiB

refused() { # refused NAME WANT OPTIONS...
	local name=$1 want=$2; shift 2
	if start x --kernel guest:shell "$@"; then not_ok "$name"; kill "$(pid_of x)"; return; fi
	check "$name" grep -qF -- "$want" "$tap_dir/start.err" || cat "$tap_dir/start.err"
}

# ---- a driver
D=0x3100000 A=0x3101000 U=0x3102000 H=0x3103000 S=0x3104000 B=0x3110000
con_of=
poke() { : >"$con"; say "$con_of" "poke $(($1)) $2 $3"$'\r'; wait_for 10 shows '<-' && wait_for 10 shows 'shell>'; }
mem() { qmp x-write-memory "{\"address\": \"$1\", \"data\": \"$2\"}" >/dev/null; }
read_mem() { qmp x-read-memory "{\"address\": \"$1\", \"size\": $2}" | jq -r .return.data; }
le() { # le BYTES VALUE: little-endian hex
	local i v=$(($2))
	for ((i = 0; i < $1; i++)); do printf '%02x' $((v >> 8 * i & 255)); done
}
disk_up() { # disk_up VM: reset to DRIVER_OK, one queue of 16, FLUSH and WRITE_ZEROES
	local bar r
	con_of=$1
	bar=$(qmp x-devices | jq -r '.return[] | select(.id == "disk0") | .address')
	notify=$((bar + 0x3000)) n=0
	mem $A 00000000; mem $U 00000000
	for r in '20 0 1' '20 1 1' '20 3 1' '8 1 4' '12 1 4' '8 0 4' '12 0x4200 4' '20 11 1' '22 0 2' '24 16 2' \
		"32 $D 4" "40 $A 4" "48 $U 4" '28 1 2' '20 15 1'; do
		# shellcheck disable=SC2086
		set -- $r; poke $((bar + $1)) "$2" "$3" || return 1
	done
}
used_is() { [ "$(read_mem $((U + 2)) 2)" = "$(le 2 "$1")" ]; }
post() { # post TYPE SECTOR LENGTH FLAGS: 0 the device reads the data, 2 it writes it
	n=$((n + 1))
	mem $H "$(le 4 "$1")00000000$(le 8 "$2")"; mem $S ee
	mem $D "$(le 8 $H)$(le 4 16)$(le 2 1)$(le 2 $(($3 ? 1 : 2)))$(le 8 $B)$(le 4 "$3")$(le 2 $((1 | $4)))$(le 2 2)$(le 8 $S)$(le 4 1)$(le 2 2)$(le 2 0)"
	mem $((A + 2)) "$(le 2 "$n")"
	poke "$notify" 0 2
}
request() { post "$@"; wait_for 10 used_is "$n" && status=$(read_mem $S 1); }
# write SECTOR BYTE: a sector of it; read_back SECTOR: into $got; both set $status
write() { mem $B "$(printf "%0512d" 0 | sed "s/00/$2/g")$(printf "%0512d" 0 | sed "s/00/$2/g")"; request 1 "$1" 512 0; }
read_back() { mem $B 0102030405060708; request 0 "$1" 512 2; got=$(read_mem $B 4); }
flush() { request 4 0 0 0; }
on_host() { od -An -tx1 -j $(($1 * 512)) -N 4 "$img" | tr -d ' '; }
info() { qmp query-block | jq -r ".return[0]$1"; }

# ---- what is no disk
: >"$tap_dir/empty"; truncate -s 1000 "$tap_dir/odd"; mkdir "$tap_dir/dir"; mkfifo "$tap_dir/fifo"
truncate -s 1M "$tap_dir/qcow2" "$tap_dir/gz" "$tap_dir/vdi" "$tap_dir/a,b"
printf 'QFI\xfb' | dd of="$tap_dir/qcow2" conv=notrunc status=none
printf '\x1f\x8b\x08' | dd of="$tap_dir/gz" conv=notrunc status=none
printf '\x7f\x10\xda\xbe' | dd of="$tap_dir/vdi" bs=1 seek=64 conv=notrunc status=none
truncate -s $((SECTORS * 512)) "$img"
refused "a missing image" "disk $tap_dir/none: there is no such file; make one with: truncate -s 10G $tap_dir/none" --disk "$tap_dir/none"
refused "a folder" "it is a folder; a disk is an image file or a block device" --disk "$tap_dir/dir"
refused "a FIFO" "it is neither a file nor a disk" --disk "$tap_dir/fifo"
refused "an empty file" "it is empty; give it a size with: truncate" --disk "$tap_dir/empty"
refused "half a sector" "its 1000 bytes are no multiple of 512; round it up with: truncate -s 1024" --disk "$tap_dir/odd"
refused "a qcow2 image" "it is a qcow2 image, and a disk has to be raw; convert it with: qemu-img convert -O raw" --disk "$tap_dir/qcow2"
refused "a VDI image" "it is a VDI image" --disk "$tap_dir/vdi"
refused "a compressed one" 'it is compressed; `gunzip -k` makes it an image' --disk "$tap_dir/gz"
refused "one image twice" "it is given twice, and one of them writes" --disk "$img" --disk "$img,read_only=yes"
refused "a missing device" "there is no such device; lsblk lists them" --disk /dev/vitrine-none
if [ "$(id -u)" -eq 0 ] && truncate -s 4M "$tap_dir/loop" && loop=$(losetup -f --show "$tap_dir/loop" 2>/dev/null); then
	trap 'umount "$tap_dir/mnt" 2>/dev/null; losetup -d "$loop"; tap_cleanup' EXIT
	mkdir "$tap_dir/mnt"
	if mke2fs -q "$loop" 2>/dev/null && mount "$loop" "$tap_dir/mnt" 2>/dev/null; then
		refused "a device that is mounted" "disk $loop: this host uses it: it is mounted" --disk "$loop"
		umount "$tap_dir/mnt"
	else
		skip "no file system can be made or mounted here" "a device that is mounted"
	fi
	check "a block device" start loop --kernel guest:shell --disk "$loop"
	refused "one that another VM has" "disk $loop: in use by the VM loop" --disk "$loop"
	kill "$(pid_of loop)"; wait_for 10 test ! -e "$run/loop/control"
else
	skip "root and loop devices are needed" "block devices"
fi
if [ "$(id -u)" -ne 0 ]; then
	chmod 444 "$tap_dir/a,b"
	refused "no permission" "no permission to write; give yourself one, or add read_only=yes" --disk "$tap_dir/a,,b"
	chmod 644 "$tap_dir/a,b"
else
	skip "root may write everything" "no permission"
fi

# ---- a disk at work
start d --kernel guest:shell --memory 64M --disk "$img,serial=S-1" --disk "$tap_dir/a,,b,read_only=yes" ||
	{ not_ok "starts: $(cat "$tap_dir/start.err")"; finish; }
con_open d; qmp_open d; wait_for 10 shows 'shell>'
check "query-block knows path, size and serial" test "$(info '.inserted.file')-$(info '.inserted.image."virtual-size"')-$(info '."x-serial"')" = \
	"$img-$((SECTORS * 512))-S-1"
check "the second is read-only, and has its comma" test "$(qmp query-block | jq -r '.return[1].inserted | "\(.ro) \(.file)"')" = "true $tap_dir/a,b"
engine=$(info '."x-engine"'); note "engine: $engine"
check "a driver finds it" disk_up d
write 100 5a; check "write" test "$status" = 00
flush; check "flush" test "$status" = 00
check "it is in the image" test "$(on_host 100)" = 5a5a5a5a
read_back 100; check "and read back" test "$got-$status" = 5a5a5a5a-00
write $SECTORS 11; check "beyond the end: an error" test "$status" = 01
check "query-blockstats counts" test "$(qmp query-blockstats | jq -c '.return[0].stats | [.rd_bytes, .wr_operations, .flush_operations, .invalid_wr_operations]')" = '[512,1,1,1]'
check "the devices view has a line for it" eval "$build/vitrine devices d | grep -q 'disk0 .*8 MiB, 1 reads 1 writes, box.img, serial S-1'"
refused "a second writer is refused, and who has it is named" "disk $img: in use by the VM d (process $(pid_of d))" --disk "$img"
refused "so is a reader" "in use by the VM d" --disk "$img,read_only=yes"
check "a second reader is not" start y --kernel guest:shell --disk "$tap_dir/a,,b,read_only=yes"
refused "but a writer beside it is" "in use by the VM" --disk "$tap_dir/a,,b"
kill "$(pid_of y)" 2>/dev/null

# ---- killed
write 101 c3; flush
pid=$(pid_of d); con_close; qmp_close; kill -KILL "$pid"; wait_for 10 gone "$pid"
check "after kill -9, what was flushed is there" test "$(on_host 101)" = c3c3c3c3
start d --kernel guest:shell --memory 64M --disk "$img" || not_ok "starts again: $(cat "$tap_dir/start.err")"
con_open d; qmp_open d; wait_for 10 shows 'shell>'; disk_up d
read_back 101; check "and the next one reads it" test "$got" = c3c3c3c3

# ---- paused with work to do
qmp stop >/dev/null
n=$((n + 1)); mem $H "$(le 4 0)00000000$(le 8 100)"; mem $((A + 2)) "$(le 2 $n)"
check "a paused disk does nothing" test "$(read_mem $((U + 2)) 2)" = "$(le 2 $((n - 1)))"
qmp cont >/dev/null
check "and looks again when it goes on" wait_for 10 used_is $n

# ---- snapshots
snaps=$XDG_STATE_HOME/vitrine/d/snapshots
write 5 a1; flush
check "save" test "$(job snapshot-save one)" = ok
id=$(qmp snapshot-list | jq -r '.return[0].id')
check "the disk is in it, with holes" eval "cmp -s '$snaps/$id/disk0' '$img' && test $(du -k "$snaps/$id/disk0" | cut -f1) -lt 4096"
saved_n=$n
write 5 b2; flush
ino=$(stat -c %i "$img"); chmod 640 "$img"
check "load" test "$(job snapshot-load one)" = ok
n=$saved_n
check "the image is as it was" test "$(on_host 5)-$(stat -c %a "$img")" = a1a1a1a1-640
read_back 5; check "the guest reads it" test "$got" = a1a1a1a1
write 6 c4; flush
check "and writes to the new file" test "$(on_host 6)-$(test "$ino" != "$(stat -c %i "$img")" && echo new)" = c4c4c4c4-new
check "which is locked" eval '! start x --kernel guest:shell --disk "$img"'
check "nothing is left beside it" test -z "$(find "$tap_dir" -maxdepth 1 -name '.*load*')"
cp "$snaps/$id/disk0" "$tap_dir/kept"
printf x | dd of="$snaps/$id/disk0" bs=1 seek=300000 conv=notrunc status=none
said=$(job snapshot-load one)
check "a damaged copy is named" grep -qF 'disk0: chunk 0 (from 0) does not match its checksum' <<<"$said"
read_back 6; check "and the image untouched" test "$(on_host 6)-$got" = c4c4c4c4-c4c4c4c4
cp "$tap_dir/kept" "$snaps/$id/disk0"
pid=$(pid_of d); con_close; qmp_close; kill -KILL "$pid"; wait_for 10 gone "$pid"
truncate -s 4M "$tap_dir/small"
refused "a disk of another size" "manifest: its disk0 has 8388608 bytes, $tap_dir/small has 4194304" --load d/one --disk "$tap_dir/small"
check "which is untouched" test "$(stat -c %s "$tap_dir/small")" = 4194304
check "a new VM from the snapshot" start d --load one --memory 64M
con_open d; qmp_open d
check "has its disk" test "$(info .inserted.file)-$(on_host 5)-$(on_host 6)" = "$img-a1a1a1a1-00000000"
n=$saved_n; con_of=d
read_back 5; check "and works with it" test "$got" = a1a1a1a1
truncate -s $((SECTORS * 512)) "$tap_dir/other"
check "another VM from it, on an image of its own" start e --load d/one --disk "$tap_dir/other"
check "which has what was saved" cmp -s "$tap_dir/other" "$snaps/$id/disk0"
kill "$(pid_of e)"
check "delete" test "$(job snapshot-delete one)" = ok
check "takes the copies with it" test ! -e "$snaps/$id"
con_close; pid=$(pid_of d); qmp quit >/dev/null; qmp_close; wait_for 10 gone "$pid"

# ---- a host that cannot write: no file beyond 4 MiB, as if the file system were full there
truncate -s 0 "$img"; truncate -s $((SECTORS * 512)) "$img"
limited() { (ulimit -S -f 4096; start "$@"); }
limited f --kernel guest:shell --memory 64M --snapshots no --disk "$img" || not_ok "starts: $(cat "$tap_dir/start.err")"
: >"$events"; con_open f; qmp_open f; wait_for 10 shows 'shell>'; disk_up f
write 12000 77; check "report: the guest gets an error" test "$status" = 01
check "the event says so" event BLOCK_IO_ERROR
check "as QEMU does" eval "grep BLOCK_IO_ERROR '$events' | tail -1 | jq -e '.data | .device == \"disk0\" and .operation == \"write\" and .action == \"report\" and .nospace == false' >/dev/null"
check "so does the log" grep -qF "disk0 ($img): write of 512 bytes at 6144000: File too large; the guest was told" "$run/f/log"
write 100 78; check "elsewhere it works" test "$status" = 00
check "the VM runs" status_is running
con_close; pid=$(pid_of f); qmp quit >/dev/null; qmp_close; wait_for 10 gone "$pid"

limited f --kernel guest:shell --memory 64M --snapshots no --disk "$img,on_error=pause" || not_ok "starts: $(cat "$tap_dir/start.err")"
: >"$events"; con_open f; qmp_open f; wait_for 10 shows 'shell>'; disk_up f
mem $B 6b6b6b6b
post 1 12000 512 0
check "pause: the VM stands still" wait_for 10 status_is io-error
check "the event says stop" eval "event BLOCK_IO_ERROR && grep BLOCK_IO_ERROR '$events' | tail -1 | jq -e '.data.action == \"stop\"' >/dev/null"
check "the list says why" eval "$build/vitrine ls | grep -q 'disk0: write: File too large'"
check "the disk says what waits" test "$(info '."io-status"')-$(info '."x-in-flight"')" = failed-1
check "the guest has not been told" test "$(read_mem $S 1)" = ee
qmp cont >/dev/null
check "resumed in vain, it stands still again" wait_for 10 status_is io-error
prlimit --pid "$(pid_of f)" --fsize=unlimited 2>/dev/null || prlimit --pid "$(pid_of f)" --fsize=1073741824
qmp cont >/dev/null
check "with room, the request is done" wait_for 10 used_is "$n"
check "nothing was lost" test "$(read_mem $S 1)-$(on_host 12000)-$(status)" = 00-6b6b6b6b-running
con_close; pid=$(pid_of f); qmp quit >/dev/null; qmp_close; wait_for 10 gone "$pid"

# ---- without io_uring
"$build/tests/lib/lacking" uring "$vm" --name u --kernel guest:shell --memory 64M --disk "$img" 2>"$tap_dir/start.err" ||
	not_ok "starts: $(cat "$tap_dir/start.err")"
con_open u; qmp_open u; wait_for 10 shows 'shell>'; disk_up u
check "where io_uring is refused, threads do it" test "$(info '."x-engine"')" = threads
write 7 3e; flush; read_back 7; check "in the sandbox" test "$status-$(on_host 7)-$got" = 00-3e3e3e3e-3e3e3e3e
mem $B "$(le 8 7)$(le 4 1)$(le 4 0)"; request 13 0 16 0
check "zeroes too" test "$status-$(on_host 7)" = 00-00000000
con_close; pid=$(pid_of u); qmp quit >/dev/null; qmp_close; wait_for 10 gone "$pid"
finish
