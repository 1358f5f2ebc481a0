#!/usr/bin/env bash
# case-boot.sh - a stock Debian kernel boots to a shell on both consoles, sees its vCPUs, and turns itself off.
# limit: 420
# with: cloud/vmlinuz,2 cloud/vmlinux,4 standard/vmlinuz,4 standard/vmlinux,1
. "$(dirname "$0")/lib.bash"
IFS=, read -r kernel cpus <<<"$2"
cmdline=${cmdline/ quiet/}

up "$kernel" "$cpus" || finish
check "all vCPUs" asks 'echo cpus=$(nproc).' "cpus=$cpus."
check "a shell on ttyS0" asks 'echo on $(tty).' "on /dev/ttyS0." ttyS0
check "no warning of ACPI" asks "dmesg -r | grep -E '^<[0-4]>.*ACPI'; echo warned=\$?." "warned=1."
vitrine send l poweroff
check "poweroff turns it off" wait_for 60 is stopped
check "and its process ends" down
finish
