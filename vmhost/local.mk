# vitrine-vm: the program that holds one VM. Everything but main() is a convenience library, for the tests.
noinst_LTLIBRARIES += libvmhost.la
bin_PROGRAMS += vitrine-vm

VMHOST_CPPFLAGS = $(AM_CPPFLAGS) $(PATH_CPPFLAGS)
VMHOST_CFLAGS = $(AM_CFLAGS) $(LIBCONFIG_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(SECCOMP_CFLAGS) $(XXHASH_CFLAGS)
VMHOST_LIBS = libvmhost.la libdevices.la libengine.la libclient.la $(LIBCONFIG_LIBS) $(EVENT_LIBS) \
	$(JANSSON_LIBS) $(SECCOMP_LIBS) $(XXHASH_LIBS) $(SLIRP_LIBS) $(ELF_LIBS) -lpthread

libvmhost_la_CPPFLAGS = $(VMHOST_CPPFLAGS)
libvmhost_la_CFLAGS = $(VMHOST_CFLAGS)
libvmhost_la_SOURCES = \
	vmhost/broker.c vmhost/broker.h \
	vmhost/broker_server.c \
	vmhost/cmds.h \
	vmhost/cmds_own.c vmhost/cmds_balloon.c \
	vmhost/cmds_qemu.c \
	vmhost/cmds_snapshot.c \
	vmhost/console.c vmhost/console.h \
	vmhost/control.c vmhost/control.h \
	vmhost/def.c vmhost/def.h \
	vmhost/def_file.c \
	vmhost/def_list.c \
	vmhost/dirtyrate.c vmhost/dirtyrate.h \
	vmhost/disk_copy.c vmhost/disk_copy.h \
	vmhost/disk_open.c vmhost/disk_open.h \
	vmhost/disks.c vmhost/disks.h \
	vmhost/guest_kernel.c vmhost/guest_kernel.h \
	vmhost/heat.c vmhost/heat.h \
	vmhost/history.c vmhost/history.h \
	vmhost/host.c vmhost/host.h \
	vmhost/image.c vmhost/image.h \
	vmhost/inspect.c vmhost/inspect.h \
	vmhost/job.c vmhost/job.h \
	vmhost/btf.c vmhost/btf.h vmhost/kmods.c vmhost/kmods.h vmhost/ksyms.c vmhost/ksyms.h \
	vmhost/listener.c vmhost/listener.h \
	vmhost/load_mark.c vmhost/load_mark.h \
	vmhost/log.c vmhost/log.h \
	vmhost/net.c vmhost/net.h vmhost/net_priv.h vmhost/net_json.c vmhost/net_keeper.c vmhost/net_slirp.h \
	vmhost/net_slirp.c vmhost/net_slirp_ports.c vmhost/net_spec.c \
	vmhost/net_tap.c \
	vmhost/manifest.c vmhost/manifest.h \
	vmhost/options.c vmhost/options.h \
	vmhost/packet.c vmhost/packet.h \
	vmhost/qmp.c vmhost/qmp.h \
	vmhost/qmp_line.c vmhost/qmp_line.h \
	vmhost/ready.c vmhost/ready.h \
	vmhost/rundir.c vmhost/rundir.h \
	vmhost/sandbox.c vmhost/sandbox.h \
	vmhost/snapshot.h \
	vmhost/snapshot_disks.c \
	vmhost/snapshot_load.c \
	vmhost/snapshot_read.c \
	vmhost/snapshot_save.c \
	vmhost/subscribe.c vmhost/subscribe.h

vitrine_vm_CPPFLAGS = $(VMHOST_CPPFLAGS)
vitrine_vm_CFLAGS = $(VMHOST_CFLAGS)
vitrine_vm_SOURCES = vmhost/main.c
vitrine_vm_LDADD = $(VMHOST_LIBS)
