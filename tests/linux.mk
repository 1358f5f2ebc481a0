# The nested test VM: scripts only. The cases in it are all those that lie there.
EXTRA_DIST += tests/linux/README.md tests/linux/kernel tests/linux/extract-vmlinux tests/linux/initramfs \
	tests/linux/l1 tests/linux/l1.bash tests/linux/l1-init tests/linux/nested.sh \
	tests/linux/in/run.sh tests/linux/in/smoke.sh tests/linux/in/lib.bash tests/linux/in/case-boot.sh tests/linux/in/case-disk.sh
