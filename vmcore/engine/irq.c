/*
 * irq.c - interrupts into the in-kernel irqchip: lines, irqfds, MSI routes. Any thread; the routing
 * table and the list of irqfds are under the irq lock.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NPIC	16u
#define NIOAPIC 24u

static int no_chip(struct vmc_vm *vm)
{
	return vmc_fail(vm, -ENXIO, "this VM has no interrupt controller");
}

/* A PC's wiring: GSI n is PIC input n (2 is the cascade) and IOAPIC pin n, but for the PIT's GSI 0,
 * which is pin 2 (ACPI 6.5 §5.2.12.5: the override every firmware gives). */
static uint32_t base_routes(struct kvm_irq_routing_entry *e)
{
	uint32_t n = 0;

	for (uint32_t gsi = 0; gsi < NIOAPIC; gsi++) {
		uint32_t pin = gsi == 0 ? 2 : gsi;

		if (gsi < NPIC && gsi != 2) {
			e[n++] = (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
				.u.irqchip = { gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
					gsi % 8 } };
		}
		if (gsi == 2) /* its pin is the PIT's */
			continue;
		e[n++] = (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { KVM_IRQCHIP_IOAPIC, pin } };
	}
	return n;
}

/* KVM takes the whole table or nothing. Irq lock held. */
static int apply_routes(struct vmc_vm *vm)
{
	struct kvm_irq_routing *table;
	uint32_t n;
	int rc;

	table = calloc(1, sizeof(*table) + (NPIC + NIOAPIC + GSI_MAX) * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	n = base_routes(table->entries);
	for (uint32_t gsi = GSI_MSI_FIRST; gsi < GSI_MAX; gsi++)
		if (vm->msi[gsi] && vm->msi_set[gsi])
			table->entries[n++] = *vm->msi[gsi];
	table->nr = n;
	rc = kvm_call(vm->fd, KVM_SET_GSI_ROUTING, table);
	free(table);
	return rc;
}

int irq_init(struct vmc_vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int rc = kvm_call_n(vm->fd, KVM_CREATE_IRQCHIP, 0);

	if (rc < 0)
		return fail_kvm(vm, rc, "KVM_CREATE_IRQCHIP");
	rc = kvm_call(vm->fd, KVM_CREATE_PIT2, &pit);
	if (rc < 0)
		return fail_kvm(vm, rc, "KVM_CREATE_PIT2");
	vm->has_irqchip = true;
	rc = apply_routes(vm);
	return rc < 0 ? fail_kvm(vm, rc, "KVM_SET_GSI_ROUTING") : 0;
}

void irq_free(struct vmc_vm *vm)
{
	while (vm->irqfds) {
		struct irqfd *i = vm->irqfds;

		vm->irqfds = i->next; /* the eventfds are the caller's */
		free(i);
	}
	for (uint32_t gsi = 0; gsi < GSI_MAX; gsi++)
		free(vm->msi[gsi]);
}

int vmc_irq_line(struct vmc_vm *vm, uint32_t gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };
	int rc;

	if (!vm->has_irqchip)
		return no_chip(vm);
	if (gsi >= GSI_MSI_FIRST)
		return vmc_fail(vm, -EINVAL, "GSI %u is not a line: lines are 0..23", gsi);
	rc = kvm_call(vm->fd, KVM_IRQ_LINE, &line);
	return rc < 0 ? fail_kvm(vm, rc, "KVM_IRQ_LINE") : 0;
}

int vmc_irq_edge(struct vmc_vm *vm, uint32_t gsi)
{
	int rc = vmc_irq_line(vm, gsi, true);

	return rc < 0 ? rc : vmc_irq_line(vm, gsi, false);
}

static int irqfd_call(struct vmc_vm *vm, int fd, uint32_t gsi, int resample, bool add)
{
	struct kvm_irqfd req = { .fd = (uint32_t)fd, .gsi = gsi };

	if (!add)
		req.flags = KVM_IRQFD_FLAG_DEASSIGN;
	else if (resample >= 0) {
		req.flags = KVM_IRQFD_FLAG_RESAMPLE;
		req.resamplefd = (uint32_t)resample;
	}
	return kvm_call(vm->fd, KVM_IRQFD, &req);
}

static bool gsi_ok(struct vmc_vm *vm, uint32_t gsi)
{
	return gsi < GSI_MSI_FIRST || (gsi < GSI_MAX && vm->msi[gsi]);
}

int vmc_irqfd_add(struct vmc_vm *vm, int fd, uint32_t gsi, int resample_fd)
{
	struct irqfd *i;
	int rc;

	if (!vm->has_irqchip)
		return no_chip(vm);
	i = calloc(1, sizeof(*i));
	if (!i)
		return vmc_fail(vm, -ENOMEM, "irqfd for GSI %u: out of memory", gsi);
	pthread_mutex_lock(&vm->irq_lock);
	rc = gsi_ok(vm, gsi) ? irqfd_call(vm, fd, gsi, resample_fd, true) : -EINVAL;
	if (rc == 0) {
		*i = (struct irqfd){ .fd = fd, .gsi = gsi, .resample = resample_fd, .next = vm->irqfds };
		vm->irqfds = i;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	if (rc == 0)
		return 0;
	free(i);
	return vmc_fail(vm, rc, "irqfd %d for GSI %u%s: %s", fd, gsi,
		resample_fd >= 0 ? " with resample" : "",
		rc == -EBUSY ? "this eventfd interrupts already" : strerror(-rc));
}

int vmc_irqfd_remove(struct vmc_vm *vm, int fd, uint32_t gsi)
{
	struct irqfd **p, *i = NULL;
	int rc = -ENOENT;

	pthread_mutex_lock(&vm->irq_lock);
	for (p = &vm->irqfds; *p && ((*p)->fd != fd || (*p)->gsi != gsi); p = &(*p)->next)
		;
	if (*p) {
		i = *p;
		*p = i->next;
		rc = irqfd_call(vm, fd, gsi, -1, false);
	}
	pthread_mutex_unlock(&vm->irq_lock);
	free(i);
	return rc < 0 ? vmc_fail(vm, rc, "irqfd %d of GSI %u: %s", fd, gsi, strerror(-rc)) : 0;
}

/*
 * A signalled irqfd may still be on its way in a kernel worker. Taking an irqfd away waits for that,
 * and adding it again looks at its count first: so nothing is lost and nothing comes later.
 */
void irq_flush(struct vmc_vm *vm)
{
	pthread_mutex_lock(&vm->irq_lock);
	for (struct irqfd *i = vm->irqfds; i; i = i->next) {
		if (i->resample >= 0)
			continue; /* the line stays up until EOI: KVM's own state has it */
		if (irqfd_call(vm, i->fd, i->gsi, -1, false) == 0)
			(void)irqfd_call(vm, i->fd, i->gsi, -1, true);
	}
	pthread_mutex_unlock(&vm->irq_lock);
}

int vmc_msi_route_new(struct vmc_vm *vm)
{
	struct kvm_irq_routing_entry *e = calloc(1, sizeof(*e));
	uint32_t gsi;

	if (!vm->has_irqchip) {
		free(e);
		return no_chip(vm);
	}
	if (!e)
		return vmc_fail(vm, -ENOMEM, "MSI route: out of memory");
	pthread_mutex_lock(&vm->irq_lock);
	for (gsi = GSI_MSI_FIRST; gsi < GSI_MAX && vm->msi[gsi]; gsi++)
		;
	if (gsi < GSI_MAX) {
		vm->msi[gsi] = e;
		vm->msi_set[gsi] = false;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	if (gsi < GSI_MAX)
		return (int)gsi;
	free(e);
	return vmc_fail(vm, -ENOSPC, "all %u MSI routes are taken", GSI_MAX - GSI_MSI_FIRST);
}

int vmc_msi_route_set(struct vmc_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data)
{
	struct kvm_irq_routing_entry e = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)addr, .address_hi = (uint32_t)(addr >> 32), .data = data } };
	struct kvm_irq_routing_entry old;
	bool was_set;
	int rc = 0;

	pthread_mutex_lock(&vm->irq_lock);
	if (gsi < GSI_MSI_FIRST || gsi >= GSI_MAX || !vm->msi[gsi]) {
		rc = -ENOENT;
	} else if (!vm->msi_set[gsi] || memcmp(vm->msi[gsi], &e, sizeof(e)) != 0) {
		old = *vm->msi[gsi];
		was_set = vm->msi_set[gsi];
		*vm->msi[gsi] = e;
		vm->msi_set[gsi] = true;
		rc = apply_routes(vm);
		if (rc < 0) {
			*vm->msi[gsi] = old;
			vm->msi_set[gsi] = was_set;
		}
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return rc < 0 ? vmc_fail(vm, rc, "MSI route of GSI %u: %s", gsi, strerror(-rc)) : 0;
}

int vmc_msi_route_free(struct vmc_vm *vm, uint32_t gsi)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&vm->irq_lock);
	if (gsi >= GSI_MSI_FIRST && gsi < GSI_MAX && vm->msi[gsi]) {
		free(vm->msi[gsi]);
		vm->msi[gsi] = NULL;
		rc = vm->msi_set[gsi] ? apply_routes(vm) : 0;
		vm->msi_set[gsi] = false;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return rc < 0 ? vmc_fail(vm, rc, "MSI route of GSI %u: %s", gsi, strerror(-rc)) : 0;
}

int vmc_msi_send(struct vmc_vm *vm, uint64_t addr, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)addr, .address_hi = (uint32_t)(addr >> 32),
		.data = data };
	int rc;

	if (!vm->has_irqchip)
		return no_chip(vm);
	rc = kvm_call(vm->fd, KVM_SIGNAL_MSI, &msi);
	return rc < 0 ? fail_kvm(vm, rc, "KVM_SIGNAL_MSI") : rc > 0;
}
