#!/usr/bin/env bash
# demo linux as far as it goes without booting: which kernel it takes, what it says when something is missing, and
# the initramfs. The boot itself is tests/linux/use.sh's.
. "$(dirname "$0")/../lib/tap.sh"
src=$(cd "$tests/.." && pwd)
export PATH=$build:$PATH TERM=dumb LC_ALL=C.UTF-8 XDG_CACHE_HOME=$tap_dir/cache
out=$tap_dir/out err=$tap_dir/err root=$tap_dir/root
tool=$src/guests/linux/vitrine-initramfs

run() { # STATUS NAME COMMAND... : the exit status is as said; keeps stdout and stderr
	local want=$1 name=$2 got; shift 2
	timeout 60 "$@" >"$out" 2>"$err" </dev/null
	got=$?
	if [ "$got" -eq "$want" ]; then ok "$name"; return 0; fi
	not_ok "$name"; note "status $got, not $want: $*"; note "$(head -c 600 "$out")"; note "$(head -c 600 "$err")"
	return 1
}
said() { # NAME PATTERN : the last run has it
	if grep -qE -- "$2" "$out" "$err"; then ok "$1"; else not_ok "$1"; note "$(head -c 800 "$out" "$err")"; fi
}
demo=(vitrine demo linux --detach --root "$root")
# kernel FILE RELEASE: the head of a bzImage, as far as it tells its release; a kernel it is not
kernel() {
	{
		head -c 512 /dev/zero; printf '\353\0HdrS\0\0\0\0\0\0\0\0'; printf '\0\001' # 0x20e: 0x100, after 0x200
		head -c 240 /dev/zero; printf '%s (builder@host) #1' "$2"; head -c 1024 /dev/zero
	} >"$1"
}

mkdir -p "$root/boot" "$root/lib/modules"
run 2 "no such demo" vitrine demo windows
said "says which there are" 'demo linux'
run 2 "an option of demo linux without linux" vitrine demo --detach --memory 1G
run 2 "demo linux without a terminal" vitrine demo linux
run 1 "no kernel in boot" "${demo[@]}"
said "says what to install" 'apt install linux-image-amd64'
run 1 "a version that is not there" "${demo[@]}" 9.9.9
said "says where it looked" "$root/boot"
run 1 "a file that is not there" "${demo[@]}" ./nowhere
run 1 "a file that is no kernel" "${demo[@]}" /etc/passwd
said "says so" 'no Linux kernel'
run 1 "a folder" "${demo[@]}" "$root"
said "says so, too" 'not a plain file'
kernel "$root/boot/vmlinuz-6.9.1-x" 6.9.1-x
kernel "$root/boot/vmlinuz-6.10.2-x" 6.10.2-x
run 1 "the newest kernel is taken, by its version, and has no modules" "${demo[@]}"
said "says which modules are missing" 'lib/modules/6\.10\.2-x'
said "names the package" 'linux-image-6\.10\.2-x'
run 1 "an older one by its version" "${demo[@]}" 6.9.1-x
said "is the one taken" 'lib/modules/6\.9\.1-x'
run 1 "a folder of modules that is not there" "${demo[@]}" --modules "$tap_dir/none"
cp "$root/boot/vmlinuz-6.9.1-x" "$tap_dir/image"
run 1 "a file's release is the one in its header" "${demo[@]}" "$tap_dir/image"
said "and not that of a name" 'lib/modules/6\.9\.1-x'
if [ "$(id -u)" -eq 0 ]; then
	skip "root reads everything" "a kernel that only root may read"
else
	chmod 0 "$root/boot/vmlinuz-6.10.2-x"
	run 1 "a kernel that only root may read" "${demo[@]}"
	said "says how to let it be read" 'chmod a\+r'
	chmod 644 "$root/boot/vmlinuz-6.10.2-x"
fi

# ---- the initramfs: modules with what they depend on, in order, packed ones too
if ! command -v busybox >/dev/null; then skip "busybox-static is missing" "the initramfs"; finish; fi
lib=$root/lib/modules/6.10.2-x
mkdir -p "$lib/kernel/drivers/virtio" "$tap_dir/empty"
module() { printf 'ELF\0license=GPL\0depends=%s\0name=x\0' "$2" >"$lib/kernel/drivers/virtio/$1.ko"; }
module virtio ''; module virtio_ring virtio; module virtio_pci 'virtio_ring,virtio'; module virtio_console virtio-x
module virtio_x virtio_ring
gzip "$lib/kernel/drivers/virtio/virtio_ring.ko"
inside() { gzip -dc "$img" | (cd "$tap_dir/x" && busybox cpio -idm --quiet 2>/dev/null); }
img=$tap_dir/i.img; mkdir -p "$tap_dir/x"
run 0 "an initramfs" sh "$tool" --modules "$lib" --out "$img"
inside
check "what a module needs comes before it" test "$(grep -n . "$tap_dir/x/modules/order" | tr '\n' ' ')" = \
	"1:virtio 2:virtio_ring 3:virtio_pci 4:virtio-x 5:virtio_console "
check "a packed module is unpacked" grep -q license=GPL "$tap_dir/x/modules/virtio_ring.ko"
check "busybox is in it, and init" test -x "$tap_dir/x/bin/busybox" -a -x "$tap_dir/x/init"
check "the console's node too" sh -c "gzip -dc '$img' | busybox cpio -t --quiet 2>/dev/null | grep -qx dev/console"
before=$(stat -c %i "$img")
run 0 "made again only when something is newer" sh "$tool" --fresh --modules "$lib" --out "$img"
check "it is the same file" test "$(stat -c %i "$img")" = "$before"
touch -d '+2 seconds' "$lib"
run 0 "and then it is" sh "$tool" --fresh --modules "$lib" --out "$img"
check "it is another file" test "$(stat -c %i "$img")" != "$before"
module virtio_x virtio_pci; module virtio_pci virtio_x
run 1 "modules that depend on each other in a circle" sh "$tool" --modules "$lib" --out "$img"
said "are an error" 'in a circle'
run 1 "a folder it cannot write" sh "$tool" --modules "$tap_dir/empty" --out "$tap_dir/none/i.img"
check "nothing is left behind" sh -c "! ls '$tap_dir' | grep -q 'img\.new'"
run 1 "a busybox with libraries" sh "$tool" --modules "$lib" --out "$img" --busybox "$(type -P bash)"
said "says what to install" 'apt install busybox-static'
run 1 "no busybox at all" env PATH="$tap_dir/empty" /bin/sh "$tool" --modules "$lib" --out "$img"
said "says what to install, too" 'apt install busybox-static'
finish
