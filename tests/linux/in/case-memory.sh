#!/usr/bin/env bash
# case-memory.sh - a stock Debian kernel's drivers on the entropy source and the balloon.
# limit: 420
. "$(dirname "$0")/lib.bash"
MIB=1048576

# balloon FILTER: of what vitrine says of it, by jq; so FILTER: is it true?
balloon() { vitrine balloon --json l | jq "$1"; }
so() { [ "$(balloon "$1")" = true ]; }
resident() { # MiB of the guest's RAM that this machine holds
	local hex sum=0
	for hex in $(vitrine map --json l | jq -r '.[] | select(.kind == "ram") | .resident'); do sum=$((sum + hex)); done
	echo $((sum / MIB))
}
resident_below() { [ "$(resident)" -lt "$1" ]; }
free_is() { asks 'echo free=$(awk "/MemFree/ {print (\$2 < 110000) ? \"little\" : \"much\"}" /proc/meminfo).' "free=$1."; }
bytes() { asks 'echo got=$(head -c 5000 /dev/hwrng | wc -c).' "got=5000."; }

up cloud/vmlinux 1 || finish
check "rng: it is the kernel's source" asks 'cat /sys/class/misc/hw_random/rng_current' "virtio_rng."
check "rng: /dev/hwrng gives bytes" bytes
check "rng: others each time" asks '[ "$(head -c 64 /dev/hwrng | md5sum)" != "$(head -c 64 /dev/hwrng | md5sum)" ] && echo dif"fer"ent' different

check "balloon: the driver is at work" wait_for 30 so .driver
check "balloon: it tells how much memory it has" wait_for 30 so '.stats["stat-total-memory"] > 150000000'
check "balloon: there is much free" free_is much
vitrine balloon l 128M
check "balloon: 128 MiB are handed over" wait_for 90 so ".held == 128 * $MIB and .actual == 128 * $MIB"
check "balloon: every page of it was RAM" so '."refused-pages" == 0 and ."repeated-pages" == 0'
check "balloon: the guest has little left" free_is little
check "balloon: and goes on" asks 'echo $((6 * 7)) is it' '42 is it'
check "snapshot with a balloon" eval "vitrine snapshot take l full >/dev/null"
vitrine balloon l 256M
check "balloon: all of it is back" wait_for 90 so ".held == 0 and .actual == 256 * $MIB"
check "balloon: there is much free again" free_is much

# Memory that was written and then freed: the guest reports it by itself, and the host has it back.
check "reporting: 80 MiB are used" asks 'dd if=/dev/zero of=/big bs=1M count=80 2>/dev/null; sync; echo u"se"d' used hvc0 120
before=$(resident)
check "reporting: and held by the host" test "$before" -gt 80
vitrine send l 'rm /big'
check "reporting: freed, the host has most of them back" wait_for 90 resident_below $((before - 40))
note "$before MiB resident before, $(resident) after; $(balloon '.reported / 1048576 | floor') MiB reported in all"

check "load: back to the balloon" vitrine load l full
check "load: it is as big as it was" wait_for 30 so ".held == 128 * $MIB and .wanted == 128 * $MIB"
check "load: the guest goes on" asks 'echo $((7 * 7)) is it' '49 is it'
check "load: /dev/hwrng gives bytes" bytes
vitrine balloon l 256M
check "load: the balloon gets smaller again" wait_for 90 so ".held == 0"
check "load: there is much free" free_is much
finish
