#!/usr/bin/env bash
# case-power.sh - reboot from inside, the power button, started again, and a panic that is seen.
# limit: 400
# with: standard/vmlinuz
. "$(dirname "$0")/lib.bash"

up "$2" 1 || finish
con_open l
banners() { [ "$(grep -aoF 'CPUs, on /dev/hvc0' "$con" | wc -l)" -ge "$1" ]; }
check "attached" wait_for 20 banners 1
if qmp_open l; then ok "a client of the control socket"; else not_ok "a client of the control socket"; explain; finish; fi
vitrine send l reboot
check "reboot from inside: a prompt again" wait_for 240 banners 2
check "an event says so" wait_for 20 event RESET
check "the shell answers" asks 'echo again=$((6 * 7)).' "again=42."
qmp_close; con_close
check "the power button: the guest shuts itself down" vitrine stop --timeout 120 --no-force l
check "its log says so" grep -q 'the guest shut down' "$run/l/log"
check "its process has ended" test ! -e "$run/l/control"

up "$2" 1 || finish
qmp_open l
vitrine send l "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger"
check "a panic is an event" wait_for 60 event GUEST_PANICKED
check "its log says so" wait_for 20 grep -q panicked "$run/l/log"
listed() { [ "$(vitrine ls --json | jq '.[] | select(.name == "l") | .panicked')" = true ]; }
check "the list says so" wait_for 20 listed
qmp_close
check "off" down
finish
