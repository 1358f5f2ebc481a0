/* k_pci.c - PCI configuration space through ports 0xcf8 and 0xcfc (PCI 3.0 section 3.2.2.3.2). Ring
 * 0. */
#include "kernel.h"

uint32_t k_pci_read(unsigned dev, unsigned fn, unsigned offset)
{
	k_outl(0xcf8, 0x80000000u | dev << 11 | fn << 8 | (offset & 0xfc));
	return k_inl(0xcfc) >> 8 * (offset & 3);
}

void k_pci_write(unsigned dev, unsigned fn, unsigned offset, uint32_t v)
{
	k_outl(0xcf8, 0x80000000u | dev << 11 | fn << 8 | (offset & 0xfc));
	k_outl(0xcfc, v);
}

static void note_function(unsigned dev, unsigned fn)
{
	struct rt_pci *p = &rt_machine.pci[rt_machine.npci++];
	uint32_t id = k_pci_read(dev, fn, 0);

	p->dev = (uint8_t)dev;
	p->fn = (uint8_t)fn;
	p->vendor = (uint16_t)id;
	p->device = (uint16_t)(id >> 16);
	p->class = k_pci_read(dev, fn, 8) >> 8;
	if ((k_pci_read(dev, fn, 0x0c) >> 16 & 0x7f) != 0)
		return; /* a bridge: other registers */
	for (unsigned i = 0; i < 6; i++) {
		uint32_t low = k_pci_read(dev, fn, 0x10 + 4 * i);

		if (low & 1) {
			p->bar[i] = (low & ~3u) | 1; /* bit 0 stays: ports */
		} else {
			p->bar[i] = low & ~15u;
			if ((low & 6) == 4 && i < 5) {
				p->bar[i] |= (uint64_t)k_pci_read(dev, fn, 0x14 + 4 * i) << 32;
				i++;
			}
		}
	}
}

uint64_t k_pci_scan(void *unused)
{
	rt_machine.npci = 0;
	for (unsigned dev = 0; dev < 32; dev++) {
		unsigned fns = 1;

		for (unsigned fn = 0; fn < fns; fn++) {
			if ((k_pci_read(dev, fn, 0) & 0xffff) == 0xffff)
				continue;
			if (fn == 0 && k_pci_read(dev, 0, 0x0c) & 0x800000)
				fns = 8;
			if (rt_machine.npci < ARRAY_SIZE(rt_machine.pci))
				note_function(dev, fn);
		}
	}
	return rt_machine.npci;
}
