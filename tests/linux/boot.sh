#!/usr/bin/env bash
# boot.sh - stock Debian kernels as guests of vitrine, in the nested test VM: see in/boot.sh.
set -u
build=$(cd "${1:?usage: boot.sh BUILD}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/verdict"
VITRINE_L1_KERNELS=cloud VITRINE_L1_SECONDS=420 bash "$here/l1" "$build" tests/linux/in/boot.sh "$build" 2>&1
verdict "stock kernels" $?
