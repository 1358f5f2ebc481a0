# The teaching guests: freestanding images for the PVH boot protocol, built with rules of their own
# because a guest shares neither flags nor libraries with programs of the host.
guests_DATA = guests/shell.elf guests/pager.elf guests/clock.elf guests/smp.elf
guestvmsdir = $(guestsdir)/vms
dist_guestvms_DATA = guests/vms/shell.cfg guests/vms/pager.cfg guests/vms/clock.cfg \
	guests/vms/smp.cfg
CLEANFILES += $(guests_DATA) guests/*.o guests/rt/*.o

guest_h = guests/rt/rt.h guests/rt/kernel.h guests/rt/layout.h guests/rt/line.h \
	guests/rt/screen.h guests/rt/font.h guests/shell.h guests/pager.h
guest_rt = guests/rt/start.o guests/rt/k_main.o guests/rt/k_trap.o guests/rt/k_apic.o \
	guests/rt/k_time.o guests/rt/k_paging.o guests/rt/k_pci.o guests/rt/k_virtio.o \
	guests/rt/k_serial.o guests/rt/k_console.o guests/rt/k_smp.o guests/rt/machine.o \
	guests/rt/time.o guests/rt/font.o guests/rt/console.o guests/rt/keys.o guests/rt/line.o guests/rt/screen.o \
	guests/rt/text.o
guest_shell = guests/shell.o guests/shell_mem.o guests/shell_cpu.o guests/shell_exit.o \
	guests/shell_fault.o
guest_pager = guests/pager.o guests/pager_picture.o
guest_clock = guests/clock.o
guest_smp = guests/smp.o
guest_o = $(guest_rt) $(guest_shell) $(guest_pager) $(guest_clock) $(guest_smp)
guest_c = guests/rt/start.S $(patsubst %.o,%.c,$(filter-out guests/rt/start.o,$(guest_o)))
EXTRA_DIST += $(guest_h) $(guest_c) guests/guest.ld guests/README.md

# No SSE or x87: a kernel emulated by KVM may not have them. No red zone: interrupts use the stack.
guest_ccflags = -std=gnu11 -O2 -g $(WARN_CFLAGS) -ffreestanding -fno-builtin -fno-pic -fno-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none \
	-mcmodel=small -mno-red-zone -mgeneral-regs-only -I$(srcdir)/guests/rt -I$(srcdir)/guests
guest_ldopts = -nostdlib -static -Wl,-T,$(srcdir)/guests/guest.ld -Wl,--build-id=none \
	-Wl,-z,noexecstack -Wl,-z,max-page-size=4096

$(guest_o): $(guest_h) guests/local.mk
$(filter-out guests/rt/start.o,$(guest_o)): %.o: %.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(guest_ccflags) -c $< -o $@
guests/rt/start.o: guests/rt/start.S
	@$(MKDIR_P) $(@D)
	$(AM_V_CPPAS)$(CC) $(guest_ccflags) -c $< -o $@
guests/shell.elf: $(guest_shell)
guests/pager.elf: $(guest_pager)
guests/clock.elf: $(guest_clock)
guests/smp.elf: $(guest_smp)
$(guests_DATA): $(guest_rt) guests/guest.ld
	$(AM_V_CCLD)$(CC) $(guest_ldopts) $(filter %.o,$^) -o $@

# What `vitrine demo linux` boots into. A copy in the build tree, where the program finds it beside itself.
pkglibexec_SCRIPTS = guests/vitrine-initramfs
EXTRA_DIST += guests/linux/vitrine-initramfs
CLEANFILES += guests/vitrine-initramfs
guests/vitrine-initramfs: guests/linux/vitrine-initramfs
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)cp $(srcdir)/guests/linux/vitrine-initramfs $@.tmp && chmod 0755 $@.tmp && mv $@.tmp $@
