# The nested test VM: scripts only. Whatever lies in in/ goes along.
EXTRA_DIST += tests/linux/README.md tests/linux/kernel tests/linux/extract-vmlinux tests/linux/initramfs \
	tests/linux/l1 tests/linux/l1.bash tests/linux/l1-init tests/linux/nested.sh tests/linux/in
