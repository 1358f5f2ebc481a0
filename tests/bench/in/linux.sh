#!/usr/bin/env bash
# linux.sh BUILD SETTING=... WHAT... - inside the nested test VM: see ../bench_linux.sh.
set -u
build=$1; shift
while [[ ${1:-} == *=* ]]; do export "$1"; shift; done
for v in BENCH_LOG BENCH_EACH; do [ -n "${!v}" ] || unset "$v"; done
mount -t debugfs debug /sys/kernel/debug || exit 1
export XDG_RUNTIME_DIR=/run/user XDG_STATE_HOME=/run/state XDG_CONFIG_HOME=/run/config
export BENCH_DISK=/run/disk.img # in memory: what a host's disk costs is the same for both
mkdir -m 0700 -p "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME" "$XDG_CONFIG_HOME"
# An archive begins at a multiple of four, or the kernel does not know it.
{ cat /linux/cloud/initrd; head -c $(( -$(stat -c %s /linux/cloud/initrd) & 3 )) /dev/zero; cat "$build/tests/bench/linux.cpio"; } >/run/initrd
cat /linux/cloud/vmlinu* /usr/bin/qemu-system-x86_64 "$build/vitrine-vm" >/dev/null # both find them in the page cache
for kernel in $BENCH_KERNELS; do
	for cpus in $BENCH_VCPUS; do
		echo "---- $*: $kernel, $cpus vCPU(s)"
		"$build/tests/bench/linux_driver" "$build" "/linux/$kernel" /run/initrd "$cpus" "$BENCH_ROUNDS" "$@"
	done
done | tee /dev/ttyS0 # BUILD/linux/console.log shows how far it is
exit 0
