# The nested test VM: scripts only.
EXTRA_DIST += tests/linux/kernel tests/linux/extract-vmlinux tests/linux/l1 tests/linux/verdict tests/linux/l1-init \
	tests/linux/nested.sh tests/linux/boot.sh tests/linux/initramfs \
	tests/linux/in/boot.sh tests/linux/in/tiny.sh tests/linux/in/smoke.sh
