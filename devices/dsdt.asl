/*
 * dsdt.asl - what the guest's operating system is told of the machine in machine.h (ACPI 6.5): the PCI
 * bus with its windows and INTx wiring, the serial port, the clock, pvpanic, and S5 (power off).
 * Compiled by iasl at build; acpi.c puts it into guest memory.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "VITRIN", "VITRINE ", 1)
{
	/* What acpi_pm.c takes for "power off" in PM1a_CNT.SLP_TYP */
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0000, 0x0CF7, 0, 0x0CF8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0D00, 0xFFFF, 0, 0xF300)
				/* MACHINE_PCI_MMIO_START, MACHINE_PCI_MMIO_END */
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
					ReadWrite, 0, 0xE0000000, 0xFEBFFFFF, 0, 0x1EC00000)
			})
			/* Pin A of each slot: machine_intx_gsi() */
			Name (_PRT, Package ()
			{
				Package () { 0x0001FFFF, 0, 0, 10 },
				Package () { 0x0002FFFF, 0, 0, 18 },
				Package () { 0x0003FFFF, 0, 0, 19 },
				Package () { 0x0004FFFF, 0, 0, 20 },
				Package () { 0x0005FFFF, 0, 0, 21 },
				Package () { 0x0006FFFF, 0, 0, 22 },
				Package () { 0x0007FFFF, 0, 0, 23 },
				Package () { 0x0008FFFF, 0, 0, 16 },
				Package () { 0x0009FFFF, 0, 0, 17 },
				Package () { 0x000AFFFF, 0, 0, 18 },
				Package () { 0x000BFFFF, 0, 0, 19 },
				Package () { 0x000CFFFF, 0, 0, 20 },
				Package () { 0x000DFFFF, 0, 0, 21 },
				Package () { 0x000EFFFF, 0, 0, 22 },
				Package () { 0x000FFFFF, 0, 0, 23 },
				Package () { 0x0010FFFF, 0, 0, 16 },
				Package () { 0x0011FFFF, 0, 0, 17 },
				Package () { 0x0012FFFF, 0, 0, 18 },
				Package () { 0x0013FFFF, 0, 0, 19 },
				Package () { 0x0014FFFF, 0, 0, 20 },
				Package () { 0x0015FFFF, 0, 0, 21 },
				Package () { 0x0016FFFF, 0, 0, 22 },
				Package () { 0x0017FFFF, 0, 0, 23 },
				Package () { 0x0018FFFF, 0, 0, 16 },
				Package () { 0x0019FFFF, 0, 0, 17 },
				Package () { 0x001AFFFF, 0, 0, 18 },
				Package () { 0x001BFFFF, 0, 0, 19 },
				Package () { 0x001CFFFF, 0, 0, 20 },
				Package () { 0x001DFFFF, 0, 0, 21 },
				Package () { 0x001EFFFF, 0, 0, 22 },
				Package () { 0x001FFFFF, 0, 0, 23 }
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x03F8, 0x03F8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0070, 0x0070, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		Device (PEVT)
		{
			Name (_HID, "QEMU0001") /* the identifier that pvpanic's drivers know */
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0505, 0x0505, 1, 1)
			})
		}

		/* Ports that no driver may take for a free place */
		Device (MRES)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x00F4, 0x00F4, 1, 4)
				IO (Decode16, 0x0600, 0x0600, 1, 6)
			})
		}
	}
}
