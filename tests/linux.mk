# The nested test VM: scripts only. Whatever lies in in/ goes along.
EXTRA_DIST += tests/linux/README.md tests/linux/kernel tests/linux/extract-vmlinux tests/linux/initramfs \
	tests/linux/vsock_cat.c tests/linux/l1 tests/linux/l1.bash tests/linux/l1-init tests/linux/nested.sh tests/linux/in
# A program for guests, which have no libraries.
check_DATA += tests/linux/vsock_cat
CLEANFILES += tests/linux/vsock_cat
tests/linux/vsock_cat: tests/linux/vsock_cat.c
	$(AM_V_GEN)$(MKDIR_P) tests/linux && $(CC) -D_GNU_SOURCE -O2 -Wall -Wextra -static -o $@ $(top_srcdir)/tests/linux/vsock_cat.c
