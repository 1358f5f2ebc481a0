# l1.bash - makes and runs the nested test VM: QEMU's emulation of AMD's SVM (no KVM needed) boots a Debian kernel,
# which has a real /dev/kvm, with the programs of $build on its disk. Source it with $build and $src set; see README.md.
#
#   l1_make FLAVOUR...       puts together what it boots; FLAVOURs are Debian kernels for its guests (tests/linux/kernel),
#                            each with vmlinuz, vmlinux and initrd in /linux/FLAVOUR, and where `vitrine demo linux` looks.
#                            Status 2: cannot; 3: no kernel package
#   l1_run SECONDS SCRIPT [ARGUMENT...]
#                            runs a bash script of the source tree in there: its output, its exit status.
#                            124: not done in time, or no sign of life (VITRINE_L1_QUIET s); 125: the VM ended before the script
#   l1_shell                 a shell in there
l1_here=$src/tests/linux
l1_console=$build/linux/console.log # what its kernel says
PATH=$PATH:/usr/sbin:/sbin

l1_die() { printf 'l1: %s\n' "$*" >&2; return 2; }

# A folder of its own, gone with the script that sources this.
l1_work=
l1_cleanup() { [ -z "$l1_work" ] || rm -rf "$l1_work"; }

# ---- the disk with the programs. Everything keeps its path, so that they find what they were built to look for.
l1_tools=(bash socat jq tmux date stat timeout grep sed sort head tail cut tr wc cat cmp od seq sleep mktemp mkfifo
	readlink pgrep kill find xargs awk cp dd env md5sum diff truncate e2fsck)
l1_install() { mkdir -p "$l1_root$(dirname "$2")" && cp -L "$1" "$l1_root$2"; }
l1_libraries() { ldd "$@" 2>/dev/null | grep -o '/[^ ):]*\.so[^ ):]*' | sort -u; }
l1_fill() {
	local f t programs=()
	mkdir -p "$l1_root"/{proc,sys,dev,tmp,run,root,etc,bin,sbin,usr/bin,lib/modules,linux,var/tmp} || return 1
	chmod 1777 "$l1_root"/tmp "$l1_root"/var/tmp
	cp "$(command -v busybox)" "$l1_root/bin/busybox" || return 1
	for t in "${l1_tools[@]}"; do
		f=$(type -P "$t") || return 1
		l1_install "$f" "/usr/bin/$t"; programs+=("$f")
	done
	for f in "$build"/{vitrine*,guests/{*.elf,vitrine-initramfs},tests/{kvm/test_*,linux/vsock_cat}} "$build"/themes/*; do
		case $f in *.o|*.sh|*.tar.*) continue ;; esac
		[ -f "$f" ] || continue
		l1_install "$f" "$f"; programs+=("$f")
	done
	for f in ${VITRINE_L1_ADD:-}; do l1_install "$f" "$f" || return 1; programs+=("$f"); done
	while read -r f; do l1_install "$f" "$f"; done < <(l1_libraries "${programs[@]}")
	mkdir -p "$l1_root$src" && cp -r "$src"/{tests,docs,guests,themes} "$l1_root$src/" || return 1
	for f in /usr/lib/locale/C.utf8 /{usr/share,usr/lib,lib}/terminfo/{x/xterm-256color,t/tmux-256color,s/screen-256color,l/linux,v/vt100,d/dumb}; do
		[ -e "$f" ] && { mkdir -p "$l1_root$(dirname "$f")" && cp -rL "$f" "$l1_root$f" || return 1; }
	done
	for f in virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-amd drivers/acpi/button drivers/block/loop \
		drivers/vhost/{vhost_iotlb,vhost,vhost_vsock} net/vmw_vsock/{vsock,vmw_vsock_virtio_transport_common}; do
		if [ -f "$l1_kernel/modules/$f.ko" ]; then cp "$l1_kernel/modules/$f.ko" "$l1_root/lib/modules/"; fi
	done
	echo 'root:x:0:0:root:/root:/bin/bash' >"$l1_root/etc/passwd"
	echo 'root:x:0:' >"$l1_root/etc/group"
	cp "$l1_here/l1-init" "$l1_root/init" && chmod 0755 "$l1_root/init"
}

# l1_image FOLDER FILE SPARE_MIB
l1_image() {
	local size=$(($(du -sm "$1" | cut -f1) * 21 / 20 + $3))
	mke2fs -q -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$1" "$2" "${size}M" >"$l1_work/mke2fs" 2>&1 || {
		cat "$l1_work/mke2fs" >&2
		rm -f "$2"; l1_die "mke2fs could not make $2"
	}
}

# A kernel for the guests with its initramfs is a disk of its own, made once: it stays beside the kernel until what it
# is made from changes.
l1_guest_image() { # l1_guest_image FLAVOUR: prints the file's name
	local kernel key f root=$l1_work/guest
	kernel=$(bash "$l1_here/kernel" "$1") || return 3
	key=$(cat "$l1_here"/{initramfs,l1.bash} "$src/guests/linux/vitrine-initramfs" "$(command -v busybox)" \
		"$kernel/release" | md5sum | cut -c 1-16)
	f=$kernel/guest-$key.img
	if [ ! -f "$f" ]; then
		rm -rf "$root"; mkdir -p "$root" && cp "$kernel"/boot/{vmlinuz,vmlinux} "$root/" &&
			cp "$kernel/release" "$root/" && bash "$l1_here/initramfs" "$kernel/modules" "$root/initrd" || return 2
		# what `vitrine demo linux` wants of them; the rest of the modules is large
		mkdir "$root/modules" && (cd "$kernel/modules" && find . -type f \( -name 'virtio*' -o -name '*vsock*' -o -name '*failover.ko' \
			-o -name button.ko -o -name evdev.ko -o -name 'pvpanic*' \) -print0 |
			xargs -0 cp --parents -t "$root/modules") || return 2
		find "$kernel" -maxdepth 1 -name 'guest-*.img*' -mtime +7 -delete # another tree may be using a younger one
		l1_image "$root" "$f.new.$$" 8 && mv "$f.new.$$" "$f" || return 2
	fi
	printf '%s\n' "$f"
}

l1_make() {
	local t f
	for t in qemu-system-x86_64 mke2fs busybox tmux socat jq; do
		command -v $t >/dev/null || { l1_die "$t is missing; ./quickstart deps installs what the tests need"; return; }
	done
	if ldd "$(command -v busybox)" >/dev/null 2>&1; then l1_die "busybox here is not static; install busybox-static"; return; fi
	l1_kernel=$(bash "$l1_here/kernel" cloud) || return 3
	l1_work=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-l1.XXXXXX") || { l1_die "cannot make a folder in ${TMPDIR:-/tmp}"; return; }
	l1_root=$l1_work/root
	mkdir -p "$build/linux"
	l1_fill || { l1_die "the disk's contents could not be put together in $l1_work"; return; }
	l1_image "$l1_root" "$l1_work/disk" 512 || return 2
	rm -rf "$l1_root"
	l1_flavours=("$@")
	l1_drives=(-device nvme,id=n,serial=l1)
	l1_drive "$l1_work/disk" 1
	for t in "$@"; do
		f=$(l1_guest_image "$t") || return
		l1_drive "$f" $((${#l1_drives[@]} / 4 + 2)) # 2 is the task
	done
}
l1_drive() { l1_drives+=(-drive "if=none,id=d$2,file=$1,format=raw,snapshot=on" -device "nvme-ns,drive=d$2,nsid=$2"); }

# One CPU of the host for all of QEMU's threads: its SVM clears a bit of interrupt_request at every exit of a guest
# without a lock, as one plain instruction, while other threads set bits in it (target/i386, do_vmexit()). On two CPUs
# now and then a timer interrupt or an IPI is lost that way, and a CPU in there stands still for good.
# l1_cpus N: the last N of those we may use, a line each, the last one first
l1_cpus() {
	taskset -cp $$ 2>/dev/null | sed 's/.*: //' | tr , '\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done |
		sort -rn | head -n "$1"
}
l1_pin=()
l1_on() { [ -z "$1" ] || l1_pin=(taskset -c "$1"); }
l1_on "$(l1_cpus 1)"
# l1_lane NUMBER CPU: for a subshell that has a machine of its own, beside others with the same disks
l1_lane() {
	l1_work=$l1_work/lane$1 l1_console=${l1_console%.log}.$1.log
	mkdir "$l1_work" && l1_on "$2"
}

# ---- the machine: ttyS0 is its kernel's console, ttyS1 the script's input and output.
# l1_qemu SCRIPT...: becomes QEMU
l1_qemu() {
	local cmdline="console=ttyS0 quiet panic=-1 oops=panic reboot=t mitigations=off tsc=reliable no_timer_check"
	cmdline+=" random.trust_cpu=on cryptomgr.notests root=/dev/nvme0n1 rw init=/init"
	{
		printf 'build=%q src=%q flavours=%q\n' "$build" "$src" "${l1_flavours[*]}"
		printf 'set --'; printf ' %q' "$@"; echo
	} >"$l1_work/task"
	truncate -s 64K "$l1_work/task"
	l1_drive "$l1_work/task" 2
	: >"$l1_console"
	exec "${l1_pin[@]}" qemu-system-x86_64 -accel tcg,thread=single,tb-size=1024 -cpu "EPYC,+svm,+npt" -smp 1 -m 4096 -M q35 \
		-nodefaults -display none -no-reboot -kernel "$l1_kernel/boot/vmlinux" -append "$cmdline" "${l1_drives[@]}" \
		-serial "file:$l1_console" -chardev stdio,id=out,signal=off -serial chardev:out ${VITRINE_L1_QEMU:-}
}
l1_shell() { (l1_qemu 2>"$l1_work/qemu"); }

l1_run() {
	local limit=$1 line status='' pid out rc quiet=0 end; shift
	end=$((SECONDS + limit))
	exec {out}< <(echo "$BASHPID"; l1_qemu "$@" </dev/null 2>"$l1_work/qemu")
	read -r -u "$out" pid
	# It says every few seconds that it lives; the status comes back as the script's last line.
	while :; do
		IFS= read -r -t "${VITRINE_L1_QUIET:-120}" -u "$out" line; rc=$?
		if [ "$rc" -gt 128 ]; then quiet=1; break; fi
		[ "$rc" -eq 0 ] || break
		line=${line%$'\r'}
		case $line in
		'@@exit '*) status=${line#@@exit } ;;
		*@@alive) [ "$line" = @@alive ] || printf '%s\n' "${line%@@alive}" ;;
		*) printf '%s\n' "$line" ;;
		esac
		[ "$SECONDS" -lt "$end" ] || break
	done
	[ "$rc" -eq 1 ] || kill -KILL "$pid" 2>/dev/null
	exec {out}<&-
	[ -n "$status" ] && return "$status"
	if [ "$quiet" -eq 1 ]; then echo "# l1: no sign of life for ${VITRINE_L1_QUIET:-120} s"
	elif [ "$rc" -eq 0 ]; then echo "# l1: not done after $limit s"
	else echo "# l1: the VM ended before the script did"; grep -v "TCG doesn't support" "$l1_work/qemu" | sed 's/^/# /'
	fi
	printf '# the end of its console (%s):\n' "$l1_console"
	tail -n 30 "$l1_console" | sed 's/\r$//; s/^/#   /'
	[ "$quiet" -eq 1 ] || [ "$rc" -eq 0 ] && return 124
	return 125
}
