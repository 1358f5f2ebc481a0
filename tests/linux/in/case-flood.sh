#!/usr/bin/env bash
# case-flood.sh - every byte arrives: 43 KiB out of a guest through hvc0, 16 KiB into it. No more than that: Linux gives
# hvc0 16 bytes at a time and spins until they are taken; tests/kvm/vmhost_console.sh has the large floods.
# limit: 300
. "$(dirname "$0")/lib.bash"

up cloud/vmlinux 2 || finish
check "no kernel messages between the lines" asks 'dmesg -n 1; echo quiet=$?.' quiet=0.
# The lines between the marks, which come while they run and are not what was typed.
between() { tr -d '\r' <"$con" | sed -n '/^BEGIN$/,/^END$/p' | sed '1d;$d' | md5sum; }
ended() { tail -c 400 "$con" | tr -d '\r' | grep -qx END; }
t=$SECONDS
con_open l
vitrine send l "echo BEG''IN; seq -s , 1 9000; echo EN''D"
if wait_for 200 ended; then note "$(stat -c %s "$con") bytes in $((SECONDS - t)) s"; fi
check "43 KiB out through hvc0" test "$(between)" = "$(seq -s , 1 9000 | md5sum)"
con_close

# Pasted text: Linux takes Ctrl-O on hvc0 for SysRq, so not any bytes.
head -c 12000 /dev/urandom | base64 >"$tap_dir/paste"
bytes=$(stat -c %s "$tap_dir/paste")
con_open l
vitrine send -q -t 30 -x READY l "stty raw -echo; echo READ''Y; head -c $bytes | md5sum; stty sane" 2>/dev/null
socat -u "$tap_dir/paste" "UNIX-CONNECT:$run/l/console"
check "16 KiB in through hvc0" wait_for 120 shows "$(md5sum <"$tap_dir/paste" | cut -d' ' -f1)"
con_close
check "the shell is well after it" asks 'echo well=$((6 * 7)).' "well=42."
check "off" down
finish
