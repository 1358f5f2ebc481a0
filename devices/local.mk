noinst_LTLIBRARIES += libdevices.la
libdevices_la_SOURCES = \
	devices/stream.h devices/machine.h devices/models.h devices/machine.c \
	devices/work.h devices/work.c \
	devices/pci.h devices/pci.c devices/pci_msix.c \
	devices/virtq.h devices/virtq.c \
	devices/virtio.h devices/virtio.c \
	devices/virtio_pci.h devices/virtio_pci_priv.h devices/virtio_pci.c devices/virtio_pci_regs.c \
	devices/virtio_console.c devices/uart8250.c devices/rtc.c devices/i8042.c devices/debug_exit.c
libdevices_la_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
