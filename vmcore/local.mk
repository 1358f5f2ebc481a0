# libvmcore: engine (KVM) and client (control protocol). The programs link the convenience
# libraries, so that a build tree needs no wrapper scripts; libvmcore.so is for everybody else.
noinst_LTLIBRARIES += libengine.la libclient.la
lib_LTLIBRARIES += libvmcore.la

libengine_la_SOURCES = \
	vmcore/engine/boot.c \
	vmcore/engine/boot_linux.c \
	vmcore/engine/boot_pvh.c \
	vmcore/engine/buf.c \
	vmcore/engine/bus.c \
	vmcore/engine/cpufeat.c \
	vmcore/engine/cpufeat.h \
	vmcore/engine/cpuid.c \
	vmcore/engine/crash.c \
	vmcore/engine/device.c \
	vmcore/engine/dirty.c \
	vmcore/engine/elf.c \
	vmcore/engine/elf.h \
	vmcore/engine/error.c \
	vmcore/engine/exit.c \
	vmcore/engine/internal.h \
	vmcore/engine/irq.c \
	vmcore/engine/kvm.c \
	vmcore/engine/kvm.h \
	vmcore/engine/loader.h \
	vmcore/engine/manual.c \
	vmcore/engine/mem.c \
	vmcore/engine/memfile.c \
	vmcore/engine/no_kernel.c \
	vmcore/engine/regs.c \
	vmcore/engine/run.c \
	vmcore/engine/state.c \
	vmcore/engine/state_vcpu.c \
	vmcore/engine/state_vm.c \
	vmcore/engine/vcpu.c \
	vmcore/engine/vm.c
libengine_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden $(XXHASH_CFLAGS)

libclient_la_SOURCES = vmcore/client/client.h vmcore/client/paths.c \
	vmcore/client/list.c vmcore/client/spawn.c \
	vmcore/client/json.h vmcore/client/json.c vmcore/client/conn.h vmcore/client/conn.c \
	vmcore/client/command.c vmcore/client/job.c vmcore/client/wait.c vmcore/client/sample.c \
	vmcore/client/parse.c vmcore/client/parse_views.c vmcore/client/symbols.c \
	vmcore/client/check.c
libclient_la_CPPFLAGS = $(AM_CPPFLAGS) $(PATH_CPPFLAGS)
libclient_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden $(JANSSON_CFLAGS) $(ELF_CFLAGS)

libvmcore_la_SOURCES =
libvmcore_la_LIBADD = libengine.la libclient.la $(XXHASH_LIBS) $(JANSSON_LIBS) $(ELF_LIBS) -lpthread
libvmcore_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined

vmcoreincludedir = $(includedir)/vmcore
vmcoreinclude_HEADERS = \
	vmcore/include/vmcore/vmcore.h \
	vmcore/include/vmcore/vm.h \
	vmcore/include/vmcore/mem.h \
	vmcore/include/vmcore/dirty.h \
	vmcore/include/vmcore/bus.h \
	vmcore/include/vmcore/irq.h \
	vmcore/include/vmcore/vcpu.h \
	vmcore/include/vmcore/device.h \
	vmcore/include/vmcore/state.h \
	vmcore/include/vmcore/boot.h \
	vmcore/include/vmcore/client.h

pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = vmcore/vmcore.pc
