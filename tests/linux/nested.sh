#!/usr/bin/env bash
# nested.sh - the tests of the engine, the devices and vitrine-vm on a KVM of AMD's kind: in a VM that QEMU emulates,
# so that they run where there is no /dev/kvm, and meet a second kind of KVM where there is one.
#   VITRINE_NESTED=full    all of them; what run-all asks for when this host has no KVM
#   VITRINE_NESTED=short   (the default) one of each area
set -u
build=$(cd "${1:?usage: nested.sh BUILD}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/verdict"

# NAME:SECONDS, the limit some five times what it takes on two free cores.
short=(linux/in/smoke:120 kvm/test_engine_irq:60 kvm/test_engine_mem:60 kvm/test_engine_state:120 kvm/test_devices_snapshot:60)
full=("${short[@]}" kvm/test_engine_run:120 kvm/test_engine_manual:120 kvm/test_engine_dirty:240 kvm/test_devices_console:90)
# Left out here:
#   kvm/guests      CPU shares of idle guests and the drift of the clock guest, held against wall-clock seconds
#   kvm/vmhost_*, kvm/protocol, tui/*
#                   thousands of short-lived socat, jq and tmux processes, which the emulated CPU takes minutes to
#                   start, and answers due within milliseconds; linux/in/smoke goes their main road

case ${VITRINE_NESTED:-short} in
full) list=("${full[@]}") limit=450 ;;
short) list=("${short[@]}") limit=220 ;;
*) echo "Bail out! VITRINE_NESTED is full or short, not $VITRINE_NESTED"; exit 1 ;;
esac
VITRINE_L1_SECONDS=$limit bash "$here/l1" "$build" tests/linux/in/tiny.sh "${list[@]}" 2>&1
verdict "the nested test VM" $?
