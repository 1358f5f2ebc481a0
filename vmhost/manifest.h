/*
 * manifest.h - manifest.json of a snapshot: what it is and what its files must be. Hostile until
 * parsed. Pure, any thread.
 */
#ifndef VMHOST_MANIFEST_H
#define VMHOST_MANIFEST_H
#include "vmhost/broker.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmcore/vm.h>

#define MANIFEST_VERSION     1
#define MANIFEST_MAX         (16u << 20) /* bytes of a manifest that is looked at */
#define MANIFEST_REGIONS     32
#define MANIFEST_CHUNK       (4ull << 20) /* memory is checksummed in pieces of this size */
#define MANIFEST_DISKS       8
#define MANIFEST_NETS        4
#define SNAPSHOT_NAME_MAX    63           /* bytes of a name (tag) */
#define SNAPSHOT_SECTION_MAX (64u << 20)  /* of state, and of the consoles' history each */

struct manifest {
	char id[SNAPSHOT_ID_SIZE], parent[SNAPSHOT_ID_SIZE], name[SNAPSHOT_NAME_MAX + 1], vm[64];
	int64_t time_s;
	bool running; /* was the VM running when it was taken? */
	/* the VM's configuration */
	uint64_t memory;
	uint32_t vcpus;
	uint16_t cols, rows;
	char kernel[4096], cmdline[2048];
	char cpu[VMC_CPU_MAX + 1]; /* as in the definition; "": not told, by an older vitrine */
	bool rng, balloon; /* had it that device? */
	uint32_t vsock;	   /* its CID, 0: it had none */
	/* disks and nets as options, see def_list_text() */
	uint32_t ndisks, nnets;
	char *disk_text[MANIFEST_DISKS], *net_text[MANIFEST_NETS];
	/* what memory consists of, in the order of the file */
	uint32_t nregions;
	struct {
		uint64_t gpa, size;
	} regions[MANIFEST_REGIONS];
	/* files: sizes and XXH3-64 */
	uint64_t state_size, state_sum, console_size, console_sum, memory_size;
	uint32_t nchunks;
	uint64_t *chunk_sums;
	struct manifest_disk {
		uint64_t size;
		bool read_only; /* then there is no copy, and no sum */
		uint32_t nchunks;
		uint64_t *sums;
	} disk[MANIFEST_DISKS];
};

void manifest_init(struct manifest *m);
void manifest_free(struct manifest *m);
/** manifest_text() - as JSON, with a checksum over itself; malloc()ed. NULL: no memory. */
char *manifest_text(const struct manifest *m);
/** manifest_parse() - every member checked. Return: 0; -EBADMSG with @err: what is wrong with it.
 */
int manifest_parse(struct manifest *m, const char *text, size_t len, char *err, size_t err_size);
/** manifest_chunk_gpa() - the guest address where a chunk of memory begins. */
uint64_t manifest_chunk_gpa(const struct manifest *m, uint32_t chunk);
/** snapshot_name_ok() - valid UTF-8 without control characters, at most SNAPSHOT_NAME_MAX bytes. */
bool snapshot_name_ok(const char *name);

#endif
