#!/usr/bin/env bash
# bench_linux.sh BUILD [WHAT...] - a stock Debian kernel under vitrine and under QEMU's microvm, with the same initramfs,
# memory, vCPUs and devices, in turns, both inside the nested test VM. WHAT: boot idle console disk net (all of them).
# BENCH_KERNELS (cloud/vmlinux cloud/vmlinuz), BENCH_VCPUS (1), BENCH_ROUNDS (3); BENCH_LOG=1 prints the guests' kernel
# messages, BENCH_APPEND adds to their command line, BENCH_EACH=1 prints each value. Takes minutes: QEMU emulates the
# machine in which both run.
# BENCH_CLOCK=instructions (the default): a busy second in there is 250 million instructions of its one CPU, so that values
# do not depend on how busy this machine is, and hardly differ from round to round. They leave out what caches and the TLB
# cost. BENCH_CLOCK=host measures time, as is always done for net; that wants a machine with nothing else to do. More than
# one vCPU needs it.
set -u
build=$(cd "${1:?usage: bench_linux.sh BUILD [WHAT...]}" && pwd); shift
here=$(cd "$(dirname "$0")" && pwd)
qemu=$(command -v qemu-system-x86_64) || { echo "bench: there is no QEMU to compare with"; exit 0; }
work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-bench.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

# Appended to the initramfs that the tests use: a kernel takes several, one after another.
mkdir "$work/root" && cp "$build/tests/bench/linux_init" "$work/root/bench-init" || exit 1
(cd "$work/root" && echo bench-init | busybox cpio -o -H newc -R 0:0) >"$build/tests/bench/linux.cpio" 2>/dev/null || exit 1
[ $# -gt 0 ] || set -- boot idle console disk net
add=("$qemu" "$build"/tests/bench/linux_{driver,init} "$build/tests/bench/linux.cpio")
for f in /usr/share/qemu/{qboot.rom,bios-microvm.bin,linuxboot_dma.bin,pvh.bin,kvmvapic.bin}; do
	[ -f "$f" ] && add+=("$f")
done
export VITRINE_L1_ADD="${add[*]}" VITRINE_L1_KERNELS=cloud VITRINE_L1_SECONDS=${VITRINE_L1_SECONDS:-900}
by_instructions() { # net: with -icount and user networking the emulated machine stands still for good
	[ "${BENCH_CLOCK:-instructions}" = instructions ] && [ "$1" != net ]
}
for what in "$@"; do
	kernels=${BENCH_KERNELS:-cloud/vmlinux cloud/vmlinuz}
	[ "$what" = boot ] || kernels=${kernels%% *} # how the kernel came is all the same to the rest
	clock=; ! by_instructions "$what" || clock="-icount shift=2"
	for try in 1 2; do # and each starts it once more by itself
		VITRINE_L1_QEMU="$clock ${VITRINE_L1_QEMU:-}" bash "$here/../linux/l1" "$build" tests/bench/in/linux.sh "$build" "BENCH_KERNELS=$kernels" \
			"BENCH_VCPUS=${BENCH_VCPUS:-1}" "BENCH_ROUNDS=${BENCH_ROUNDS:-3}" "BENCH_LOG=${BENCH_LOG:-}" \
			"BENCH_APPEND=${BENCH_APPEND:-}" "BENCH_EACH=${BENCH_EACH:-}" "$what" && break
	done
done
