/*
 * acpi.c - the ACPI tables, built at each boot: RSDP, XSDT, FADT, FACS, MADT and the DSDT that iasl
 * made of dsdt.asl.
 *
 * Spec: ACPI 6.5 §5.2 (tables), §5.2.9 (FADT), §5.2.12 (MADT). They lie in 0xe0000..0xfffff, which
 * no memory map calls RAM, and where a kernel that was told nothing scans for the RSDP.
 *
 * No MCFG: without PCI Express there is nothing in extended configuration space, and for the rest Linux
 * takes ports 0xcf8 and 0xcfc even where it could read memory.
 *
 * Thread: owner (main loop).
 */
#include "devices/acpi.h"

#include <errno.h>
#include <string.h>

static const uint8_t dsdt[] = {
#include "devices/dsdt.h"
};

enum { HEADER = 36, RSDP_SIZE = 36, FACS_SIZE = 64, FADT_SIZE = 276, ALIGN = 64 };
enum { SPACE_IO = 1, ACCESS_BYTE = 1 };
enum { BOOT_LEGACY_DEVICES = 1, BOOT_NO_VGA = 4, BOOT_NO_ASPM = 16 };
enum {
	F_WBINVD = 1,
	F_PROC_C1 = 4,
	F_NO_SLEEP_BUTTON = 32,
	F_NO_FIXED_RTC = 64,
	F_RESET_REG = 1024
};
enum { RESET_PORT = 0xcf9, RESET_VALUE = 6, CMOS_CENTURY = 0x32 };
enum { LAPIC_ADDR = 0xfee00000, IOAPIC_ADDR = 0xfec00000, PCAT_COMPAT = 1 };
enum { MADT_LAPIC, MADT_IOAPIC, MADT_OVERRIDE, MADT_LAPIC_NMI = 4 };
enum { ACTIVE_HIGH_LEVEL = 0xd, ALL_CPUS = 0xff };

struct tables {
	struct vmc_vm *vm;
	uint64_t next; /* where the next one goes */
	int rc;        /* the first failure */
};

static uint8_t sum(const uint8_t *data, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *data++;
	return -s;
}

/* Put @len bytes in and say where. */
static uint64_t put(struct tables *t, const void *data, size_t len)
{
	uint64_t at = t->next;

	if (t->rc < 0)
		return 0;
	if (at + len > ACPI_TABLES_END)
		t->rc = vmc_fail(t->vm, -ENOSPC, "the ACPI tables do not fit below 1 MiB");
	else
		t->rc = vmc_mem_write(t->vm, at, data, len);
	t->next = (at + len + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
	return at;
}

static void zeros(struct vmc_out *out, size_t n)
{
	while (n--)
		vmc_out_u8(out, 0);
}

/* Length and checksum come in table_end(). */
static void table_begin(struct vmc_out *out, const char *signature, uint8_t revision)
{
	vmc_out_init(out);
	vmc_out_bytes(out, signature, 4);
	vmc_out_u32(out, 0);
	vmc_out_u8(out, revision);
	vmc_out_u8(out, 0);
	vmc_out_bytes(out, "VITRINVITRINE ", 14); /* OEM and its table */
	vmc_out_u32(out, 1);
	vmc_out_bytes(out, "VTRN", 4);
	vmc_out_u32(out, 1);
}

static uint64_t table_end(struct tables *t, struct vmc_out *out)
{
	uint32_t len = out->len;
	uint64_t at = 0;

	if (out->failed) {
		t->rc = vmc_fail(t->vm, -ENOMEM, "no memory for the ACPI tables");
	} else {
		memcpy(out->data + 4, &len, sizeof(len));
		out->data[9] = sum(out->data, len);
		at = put(t, out->data, len);
	}
	vmc_out_free(out);
	return at;
}

static void port_register(struct vmc_out *out, uint8_t bits, uint8_t access, uint16_t port)
{
	vmc_out_u8(out, port ? SPACE_IO : 0);
	vmc_out_u8(out, bits);
	vmc_out_u8(out, 0);
	vmc_out_u8(out, access);
	vmc_out_u64(out, port);
}

static uint64_t facs(struct tables *t)
{
	uint8_t f[FACS_SIZE] = {'F', 'A', 'C', 'S', FACS_SIZE};

	f[32] = 2; /* version */
	return put(t, f, sizeof(f));
}

static void fadt_ports(struct vmc_out *o)
{
	vmc_out_u32(o, ACPI_PM_PORT + ACPI_PM1_EVT);
	vmc_out_u32(o, 0);
	vmc_out_u32(o, ACPI_PM_PORT + ACPI_PM1_CNT);
	zeros(o, 5 * 4);      /* PM1b, PM2, PM timer, general purpose events: none */
	vmc_out_u8(o, 4);     /* PM1_EVT_LEN */
	vmc_out_u8(o, 2);     /* PM1_CNT_LEN */
	zeros(o, 6);          /* the other lengths, _CST */
	vmc_out_u16(o, 101);  /* more than 100 us: no C2 */
	vmc_out_u16(o, 1001); /* more than 1000 us: no C3 */
	zeros(o, 8); /* caches are coherent; no duty cycle; no alarm registers for day and month */
	vmc_out_u8(o, CMOS_CENTURY);
}

static uint64_t fadt(struct tables *t, uint64_t facs_at, uint64_t dsdt_at)
{
	struct vmc_out o;

	table_begin(&o, "FACP", 6);
	vmc_out_u32(&o, facs_at);
	vmc_out_u32(&o, dsdt_at);
	zeros(&o, 2); /* reserved, preferred profile */
	vmc_out_u16(&o, ACPI_SCI_GSI);
	zeros(&o, 8); /* no SMI port: always in ACPI mode */
	fadt_ports(&o);
	vmc_out_u16(&o, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM);
	vmc_out_u8(&o, 0);
	vmc_out_u32(&o, F_WBINVD | F_PROC_C1 | F_NO_SLEEP_BUTTON | F_NO_FIXED_RTC | F_RESET_REG);
	port_register(&o, 8, ACCESS_BYTE, RESET_PORT);
	vmc_out_u8(&o, RESET_VALUE);
	vmc_out_u16(&o, 0);
	vmc_out_u8(&o, 5);  /* minor version */
	vmc_out_u64(&o, 0); /* X_FIRMWARE_CTRL: the one above counts */
	vmc_out_u64(&o, dsdt_at);
	port_register(&o, 32, 0, ACPI_PM_PORT + ACPI_PM1_EVT);
	port_register(&o, 0, 0, 0);
	port_register(&o, 16, 0, ACPI_PM_PORT + ACPI_PM1_CNT);
	while (o.len < FADT_SIZE && !o.failed)
		vmc_out_u8(&o, 0);
	return table_end(t, &o);
}

static uint64_t madt(struct tables *t, uint32_t vcpus)
{
	struct vmc_out o;
	uint32_t i;

	table_begin(&o, "APIC", 5);
	vmc_out_u32(&o, LAPIC_ADDR);
	vmc_out_u32(&o, PCAT_COMPAT);
	for (i = 0; i < vcpus; i++) {
		const uint8_t lapic[] = {MADT_LAPIC, 8, i, i, 1, 0, 0, 0}; /* enabled */

		vmc_out_bytes(&o, lapic, sizeof(lapic));
	}
	vmc_out_u8(&o, MADT_IOAPIC);
	vmc_out_u8(&o, 12);
	vmc_out_u16(&o, 0); /* its ID */
	vmc_out_u32(&o, IOAPIC_ADDR);
	vmc_out_u32(&o, 0); /* first GSI */
	vmc_out_bytes(
		&o, (const uint8_t[]){MADT_OVERRIDE, 10, 0, 0, 2, 0, 0, 0, 0, 0}, 10); /* the PIT */
	vmc_out_bytes(&o,
		(const uint8_t[]){MADT_OVERRIDE, 10, 0, ACPI_SCI_GSI, ACPI_SCI_GSI, 0, 0, 0,
			ACTIVE_HIGH_LEVEL, 0},
		10);
	vmc_out_bytes(&o, (const uint8_t[]){MADT_LAPIC_NMI, 6, ALL_CPUS, 0, 0, 1}, 6); /* LINT1 */
	return table_end(t, &o);
}

static void root(struct tables *t, uint64_t rsdp_at, uint64_t fadt_at, uint64_t madt_at)
{
	uint8_t r[RSDP_SIZE] = "RSD PTR ";
	uint32_t len = sizeof(r);
	struct vmc_out o;
	uint64_t xsdt;

	table_begin(&o, "XSDT", 1);
	vmc_out_u64(&o, fadt_at);
	vmc_out_u64(&o, madt_at);
	xsdt = table_end(t, &o);
	memcpy(r + 9, "VITRIN", 6);
	r[15] = 2; /* revision */
	memcpy(r + 20, &len, sizeof(len));
	memcpy(r + 24, &xsdt, sizeof(xsdt));
	r[8] = sum(r, 20);
	r[32] = sum(r, sizeof(r));
	if (t->rc == 0)
		t->rc = vmc_mem_write(t->vm, rsdp_at, r, sizeof(r));
}

int acpi_write(struct vmc_vm *vm, uint32_t vcpus, uint64_t *rsdp)
{
	struct tables t = {.vm = vm, .next = ACPI_TABLES + ALIGN};
	uint64_t facs_at = facs(&t), dsdt_at = put(&t, dsdt, sizeof(dsdt));
	uint64_t fadt_at = fadt(&t, facs_at, dsdt_at), madt_at = madt(&t, vcpus);

	root(&t, ACPI_TABLES, fadt_at, madt_at);
	if (t.rc == 0)
		*rsdp = ACPI_TABLES;
	return t.rc;
}
