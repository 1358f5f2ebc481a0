/* def.c - the table of settings, defaults, and values from text. See def.h. Main thread. */
#include "vmhost/def.h"
#include "vmhost/net.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmcore/client.h>
#include <vmcore/vm.h>

#define AT(field) offsetof(struct vm_def, field)
#define MIB       ((uint64_t)1 << 20)
#define GIB       ((uint64_t)1 << 30)

const struct def_setting def_settings[] = {
	{"memory", "memory", "SIZE", DEF_SIZE, AT(memory), 1 * MIB, 1024 * GIB, NULL,
		"RAM of the guest, a multiple of 4K (default 128M)"},
	{"vcpus", "vcpus", "N", DEF_UINT, AT(vcpus), 1, VMC_MAX_VCPUS, NULL,
		"number of vCPUs (default 1)"},
	{"cpu", "cpu", "host|baseline[,+FEATURE][,-FEATURE]...", DEF_CPU, AT(cpu), 0, VMC_CPU_MAX, NULL,
		"what the guest's CPU can: all that the host's can (default), or x86-64-v2, the same on "
		"every host; with features as in /proc/cpuinfo added and taken away"},
	{"kernel", "kernel", "PATH|guest:NAME", DEF_PATH, AT(kernel), 0, 4096, NULL,
		"kernel to boot: a Linux bzImage, an ELF file with a PVH entry, or a guest that came with vitrine"},
	{"initrd", "initrd", "PATH", DEF_PATH, AT(initrd), 0, 4096, NULL,
		"initial RAM disk for the kernel"},
	{"cmdline", "append", "STRING", DEF_STRING, AT(cmdline), 0, 2047, NULL,
		"kernel command line"},
	{"rng", "rng", "yes|no", DEF_BOOL, AT(rng), 0, 0, NULL,
		"an entropy source for the guest (default yes)"},
	{"rng_rate", "rng-rate", "SIZE", DEF_SIZE, AT(rng_rate), 0, 1 * GIB, NULL,
		"random bytes a second that the guest may take; 0: any number (default 1M)"},
	{"balloon", "balloon", "yes|no", DEF_BOOL, AT(balloon), 0, 0, NULL,
		"a memory balloon: the guest gives memory back when asked, and tells of free pages (default yes)"},
	{"vsock", "vsock", "CID", DEF_UINT, AT(vsock), 3, 0xfffffffe, NULL,
		"sockets between guest and host (AF_VSOCK): the guest's address, 3 or more, no other VM's of this host "
		"(default: none)"},
	{"console.cols", NULL, NULL, DEF_UINT, AT(cols), 2, 1000, NULL,
		"columns of hvc0 (default 80)"},
	{"console.rows", NULL, NULL, DEF_UINT, AT(rows), 1, 1000, NULL,
		"rows of hvc0 (default 24)"},
	{"console.history", "history", "SIZE", DEF_SIZE, AT(history), 4096, 256 * MIB, NULL,
		"console output kept for those who attach later (default 1M)"},
	{"snapshots", "snapshots", "yes|no", DEF_BOOL, AT(snapshots), 0, 0, NULL,
		"allow snapshots (default yes)"},
	{"on_shutdown", "on-shutdown", "stop|exit", DEF_CHOICE, AT(on_shutdown), 0, 0, "stop|exit",
		"when the guest shuts down: keep the process and its console, or exit with the "
		"guest's code"
		" (default stop)"},
	{"on_panic", "on-panic", "go-on|pause", DEF_CHOICE, AT(on_panic), 0, 0, "go-on|pause",
		"when the guest says that it has panicked: leave it to what its kernel does, or pause it"
		" (default go-on)"},
	{"sandbox", "sandbox", "yes|no", DEF_BOOL, AT(sandbox), 0, 0, NULL,
		"confine the VM's process (default yes)"},
	{"dirty_ring", "dirty-ring", "N", DEF_UINT, AT(dirty_ring), 0, 65536, NULL,
		"track written pages with a ring of N entries a vCPU, a power of two; 0: by bitmap "
		"(default)"},
	{"paused", "paused", NULL, DEF_BOOL, AT(paused), 0, 0, NULL,
		"do not start the vCPUs; `cont` does"},
	{NULL, "load", "SNAPSHOT", DEF_STRING, AT(load), 1, 4096, NULL,
		"start from a snapshot: an id or name of this VM's, VM/ID of another's, or a "
		"snapshot's folder"},
};
const size_t def_nsettings = sizeof(def_settings) / sizeof(def_settings[0]);

void def_init(struct vm_def *def)
{
	memset(def, 0, sizeof(*def));
	def->memory = 128 * MIB;
	def->vcpus = 1;
	def->cols = 80;
	def->rows = 24;
	def->history = 1 * MIB;
	def->snapshots = def->sandbox = def->rng = def->balloon = true;
	def->rng_rate = 1 * MIB;
	def->on_shutdown = strdup("stop");
	def->on_panic = strdup("go-on");
	def->cpu = strdup("host");
}

void def_free(struct vm_def *def)
{
	free(def->kernel);
	free(def->initrd);
	free(def->cmdline);
	free(def->load);
	free(def->on_shutdown);
	free(def->on_panic);
	free(def->cpu);
	for (size_t i = 0; i < def_nlists; i++)
		def_list_clear(def, &def_lists[i]);
	memset(def, 0, sizeof(*def));
}

bool def_given(const struct vm_def *def, const char *key)
{
	for (size_t i = 0; i < def_nsettings; i++)
		if (def_settings[i].key && strcmp(def_settings[i].key, key) == 0)
			return def->given >> i & 1;
	return false;
}

int def_parse_size(const char *text, uint64_t *out)
{
	return vmc_parse_size(text, out);
}

/* A size the way a person writes it, for messages. */
static void show(enum def_type type, uint64_t v, char *out, size_t size)
{
	if (type == DEF_SIZE && v && v % GIB == 0)
		snprintf(out, size, "%" PRIu64 "G", v / GIB);
	else if (type == DEF_SIZE && v && v % MIB == 0)
		snprintf(out, size, "%" PRIu64 "M", v / MIB);
	else if (type == DEF_SIZE && v && v % 1024 == 0)
		snprintf(out, size, "%" PRIu64 "K", v / 1024);
	else
		snprintf(out, size, "%" PRIu64, v);
}

static int set_number(
	void *base, const struct def_setting *set, uint64_t v, char *err, size_t err_size)
{
	char low[32], high[32], got[32];
	bool bytes;

	if (v < set->min || v > set->max) {
		show(set->type, set->min, low, sizeof(low));
		show(set->type, set->max, high, sizeof(high));
		show(set->type, v, got, sizeof(got));
		bytes = set->type == DEF_SIZE && v && v < 65536 && v < set->min && v * MIB >= set->min;
		snprintf(err, err_size, "%s is out of range: %s to %s%s%s%s", got, low, high,
			bytes ? "; without a unit it is bytes: write " : "", bytes ? got : "", bytes ? "M" : "");
		return -EINVAL;
	}
	*(uint64_t *)((char *)base + set->offset) = v;
	return 0;
}

static int set_string(void *base, const struct def_setting *set, const char *text, char *err,
	size_t err_size)
{
	char **field = (char **)((char *)base + set->offset), *copy;

	if (set->max && strlen(text) > set->max) {
		snprintf(err, err_size, "longer than %" PRIu64 " bytes", set->max);
		return -EINVAL;
	}
	if (set->type == DEF_PATH && !*text) {
		snprintf(err, err_size, "an empty path");
		return -EINVAL;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* One more string. */
static int add_string(void *base, const struct def_setting *set, const char *text, char *err,
	size_t err_size)
{
	struct def_texts *list = (struct def_texts *)((char *)base + set->offset);
	const struct def_setting one = {
		.key = set->key, .type = DEF_STRING, .offset = list->n * sizeof(char *), .max = set->max
	};
	int rc;

	if (list->n == DEF_TEXTS) {
		snprintf(err, err_size, "more than %d", DEF_TEXTS);
		return -EINVAL;
	}
	rc = set_string(list->text, &one, text, err, err_size);
	list->n += rc == 0;
	return rc;
}

static int set_bool(void *base, const struct def_setting *set, const char *text, char *err,
	size_t err_size)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "on") == 0;

	if (!yes && strcmp(text, "no") && strcmp(text, "false") && strcmp(text, "off")) {
		snprintf(err, err_size, "\"%s\" is neither yes nor no", text);
		return -EINVAL;
	}
	*(bool *)((char *)base + set->offset) = yes;
	return 0;
}

static int set_choice(void *base, const struct def_setting *set, const char *text, char *err,
	size_t err_size)
{
	const char *p = set->choices;
	size_t len = strlen(text);

	while (*p) {
		size_t n = strcspn(p, "|");

		if (n == len && strncmp(p, text, n) == 0)
			return set_string(base, set, text, err, err_size);
		p += n + (p[n] == '|');
	}
	snprintf(err, err_size, "\"%s\" is none of %s", text, set->choices);
	return -EINVAL;
}

int def_set_field(void *base, const struct def_setting *set, const char *text, char *err,
	size_t err_size)
{
	uint64_t v;

	switch (set->type) {
	case DEF_SIZE:
	case DEF_UINT:
		if (def_parse_size(text, &v) < 0 ||
			(set->type == DEF_UINT && strpbrk(text, "kKmMgG"))) {
			snprintf(err, err_size,
				set->type == DEF_SIZE ? "\"%s\" is not a size; write 256M, 2G or a "
							"number of bytes"
						      : "\"%s\" is not a whole number",
				text);
			return -EINVAL;
		}
		return set_number(base, set, v, err, err_size);
	case DEF_BOOL:
		return set_bool(base, set, text, err, err_size);
	case DEF_CHOICE:
		return set_choice(base, set, text, err, err_size);
	case DEF_CPU:
		if (vmc_cpu_check(text, err, err_size) < 0)
			return -EINVAL;
		return set_string(base, set, text, err, err_size);
	case DEF_STRINGS:
		return add_string(base, set, text, err, err_size);
	default:
		return set_string(base, set, text, err, err_size);
	}
}

int def_set_text(struct vm_def *def, const struct def_setting *set, const char *text, char *err,
	size_t err_size)
{
	int rc = def_set_field(def, set, text, err, err_size);

	if (rc == 0)
		def->given |= 1ull << (set - def_settings);
	return rc;
}

static const struct def_setting *by_key(const char *key)
{
	for (size_t i = 0; i < def_nsettings; i++)
		if (def_settings[i].key && strcmp(def_settings[i].key, key) == 0)
			return &def_settings[i];
	return NULL;
}

int def_parse_console(struct vm_def *def, const char *text, char *err, size_t err_size)
{
	char cols[16], rows[16], end;
	int rc;

	if (sscanf(text, "%15[0-9]x%15[0-9]%c", cols, rows, &end) != 2) {
		snprintf(err, err_size, "\"%s\" is not a size in characters; write 80x24", text);
		return -EINVAL;
	}
	rc = def_set_text(def, by_key("console.cols"), cols, err, err_size);
	return rc ? rc : def_set_text(def, by_key("console.rows"), rows, err, err_size);
}

int def_check(const struct vm_def *def, char *err, size_t err_size)
{
	struct net_spec spec;

	if (def->memory % VMC_PAGE_SIZE) {
		snprintf(err, err_size, "memory: %" PRIu64 " is not a multiple of 4K", def->memory);
		return -EINVAL;
	}
	if (def->dirty_ring & (def->dirty_ring - 1)) {
		snprintf(err, err_size, "dirty_ring: %" PRIu64 " is not a power of two",
			def->dirty_ring);
		return -EINVAL;
	}
	if (!def->kernel && !def->load) {
		snprintf(err, err_size,
			"nothing to run: give --kernel PATH, --kernel guest:shell, or"
			" --load SNAPSHOT; or write kernel = \"guest:shell\" into the definition");
		return -EINVAL;
	}
	for (unsigned i = 0; i < def->nnets; i++)
		if (net_spec(def, i, &spec, err, err_size) < 0)
			return -EINVAL;
	return 0;
}
