noinst_LTLIBRARIES += libdevices.la
libdevices_la_SOURCES = \
	devices/stream.h devices/machine.h devices/models.h devices/machine.c \
	devices/work.h devices/work.c \
	devices/pci.h devices/pci.c devices/pci_msix.c \
	devices/virtq.h devices/virtq.c \
	devices/virtio.h devices/virtio.c \
	devices/virtio_pci.h devices/virtio_pci_priv.h devices/virtio_pci.c devices/virtio_pci_regs.c \
	devices/net.h devices/virtio_net_priv.h devices/virtio_net.c devices/virtio_net_offload.c devices/virtio_net_state.c \
	devices/disk.h devices/virtio_blk.h devices/virtio_blk_priv.h devices/virtio_blk.c devices/virtio_blk_req.c \
	devices/block.h devices/block.c devices/block_uring.c devices/block_threads.c \
	devices/virtio_console.c devices/virtio_rng.c \
	devices/balloon.h devices/virtio_balloon_priv.h devices/virtio_balloon.c devices/virtio_balloon_stats.c \
	devices/relay.h devices/relay.c devices/vhost.h devices/vhost.c devices/virtio_vsock.c \
	devices/uart8250.c devices/rtc.c devices/i8042.c devices/debug_exit.c \
	devices/acpi.h devices/acpi.c devices/acpi_pm.c devices/pvpanic.c
libdevices_la_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(URING_CFLAGS)
libdevices_la_LIBADD = $(URING_LIBS) -lpthread

# The DSDT: compiled by iasl, then bytes for acpi.c to include.
EXTRA_DIST += devices/dsdt.asl
CLEANFILES += devices/dsdt.aml devices/dsdt.h
devices/dsdt.h: devices/dsdt.asl
	@$(MKDIR_P) devices
	$(AM_V_GEN)$(IASL) -vi -vr -vs -p devices/dsdt $(srcdir)/devices/dsdt.asl >devices/dsdt.log 2>&1 || \
		{ cat devices/dsdt.log; exit 1; }
	@rm -f devices/dsdt.log
	@od -An -v -tx1 devices/dsdt.aml | sed 's/ *\(..\)/0x\1, /g' >$@.tmp && mv $@.tmp $@
$(libdevices_la_OBJECTS): devices/dsdt.h
