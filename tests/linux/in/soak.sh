#!/usr/bin/env bash
# soak.sh BUILD [SECONDS [KERNEL,VCPUS...]] - boots guests again and again for as long as it is told, and asks both their
# consoles. What stops answering is looked at from all sides. Not part of the check; by hand:
#   VITRINE_L1_KERNELS=cloud VITRINE_L1_SECONDS=600 tests/linux/l1 build tests/linux/in/soak.sh build 500
. "$(dirname "$0")/lib.bash"
seconds=${2:-400}; shift; [ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- cloud/vmlinux,1 cloud/vmlinuz,2 cloud/vmlinux,4

# Three samples, for a vCPU that spins differs from one that sleeps; what its kernel can still say on ttyS0; where the
# threads of vitrine-vm are.
autopsy() {
	local i c
	for i in 1 2 3; do
		for ((c = 0; c < $1; c++)); do
			note "sample $i, vCPU $c: $(vitrine registers -c "$c" l 2>&1 | grep -aoE '(rip|rsp|flags) +[0-9a-f]+' | tr '\n' ' ')"
		done
	done
	if qmp_open l; then
		note "$(qmp x-devices)"; note "$(qmp x-console-info)"; note "$(qmp x-exits)"
		qmp_close
	fi
	note "$(vitrine send -t 30 -s ttyS0 -x "said=0" l 'cat /proc/interrupts /proc/uptime; dmesg | tail; echo said=$?' 2>&1)"
	for i in /proc/"$(pid_of l)"/task/*; do
		note "$(cat "$i/comm"): $(cut -d' ' -f3,14,15 "$i/stat"), in $(cat "$i/wchan")"
	done
	explain
}
once() { # KERNEL VCPUS
	local i
	up "$1" "$2" || return 1
	for i in 1 2 3; do asks "echo it=\$((40 + $i))." "it=$((40 + i))." || return 1; done
	asks 'seq 1 3000; echo done=$?.' "done=0." || return 1
	asks 'echo on $(tty).' "on /dev/ttyS0." ttyS0 || return 1
	for i in 4 5; do asks "echo it=\$((40 + $i))." "it=$((40 + i))." || return 1; done
	vitrine send l poweroff
	wait_for 60 is stopped
}
good=0 bad=0
while [ $SECONDS -lt "$seconds" ]; do
	for what; do
		[ $SECONDS -lt "$seconds" ] || break
		if once "${what%,*}" "${what#*,}"; then good=$((good + 1))
		else bad=$((bad + 1)); note "boot $((good + bad)), $what"; explained=0; autopsy "${what#*,}"
		fi
		down
	done
done
check "$good guests came and went, $bad did not" test $bad -eq 0
finish
