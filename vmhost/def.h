/*
 * def.h - what one VM is to be: the definition, as read from vms/NAME.cfg and the command line.
 *
 * Every setting is one row of one table (def.c); file, options, --help and the error messages come
 * from it. What there may be several of (disks, nets) is a list of groups, with a table of its own
 * (def_list.c). Main thread, before anything else is set up.
 */
#ifndef VMHOST_DEF_H
#define VMHOST_DEF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEF_NAME_SIZE 64
#define DEF_ERR_SIZE  1024
#define DEF_DISKS     8
#define DEF_NETS      4
#define DEF_TEXTS     16 /* strings of one DEF_TEXTS field */

struct def_texts {
	uint32_t n;
	char *text[DEF_TEXTS];
};

struct def_disk {
	char *path;
	char *serial;   /* NULL: none */
	char *on_error; /* "report" (also when NULL) or "pause" */
	bool read_only;
};

struct def_net {
	char *type;               /* "user" or "tap" */
	char *mac;                /* NULL: made up */
	char *ifname;             /* tap */
	struct def_texts forward; /* user: "tcp:127.0.0.1:2222:22" */
	bool ipv6;                /* user: also IPv6 (default) */
};

struct vm_def {
	char name[DEF_NAME_SIZE];
	char *kernel, *initrd, *cmdline; /* kernel: a path or "guest:NAME" */
	char *load;                      /* snapshot to start from: id, name or folder */
	char *on_shutdown;               /* "stop" or "exit" */
	char *on_panic;                  /* "pause" or "go-on" */
	char *cpu;                       /* vmc_cpu_check() is content with it */
	uint64_t memory, vcpus, cols, rows, history, dirty_ring;
	uint64_t rng_rate;
	uint64_t vsock; /* CID, 0: none */
	bool snapshots, sandbox, paused, rng, balloon;
	uint32_t ndisks, nnets;
	struct def_disk disk[DEF_DISKS];
	struct def_net net[DEF_NETS];
	uint64_t given; /* one bit a row of the table: set by file or option, not a default */
};

/* DEF_STRINGS: struct def_texts, a list in a file and several times in an option's text. */
enum def_type { DEF_SIZE, DEF_UINT, DEF_STRING, DEF_PATH, DEF_BOOL, DEF_CHOICE, DEF_CPU, DEF_STRINGS };

struct def_setting {
	const char
		*key; /* in the file; "console.cols" lies in the group console; NULL: option only */
	const char *option; /* on the command line without the dashes; NULL: file only */
	const char *arg;    /* how the option's value is shown; NULL: takes none */
	enum def_type type;
	size_t offset; /* in struct vm_def, or in the item of a list */
	uint64_t min, max;
	const char *choices; /* DEF_CHOICE: "stop|exit" */
	const char *help;
};

extern const struct def_setting def_settings[];
extern const size_t def_nsettings;

/* A setting that is a list of groups: disks = ( "PATH", { path = "..."; read_only = true; } );
 * and an option that may be repeated: --disk PATH,read_only=yes. */
struct def_list {
	const char *key, *option, *arg, *help;
	const char *what;    /* one of them, for messages: "disk" */
	const char *example; /* of an item in a file */
	size_t offset, count_offset, item_size; /* in struct vm_def: the items, how many (uint32_t) */
	unsigned max;
	const struct def_setting *fields; /* the first is what stands alone, and must be given */
	size_t nfields;
	const void *initial; /* an item as it begins; NULL: nothing set */
};

extern const struct def_list def_lists[];
extern const size_t def_nlists;

/** def_init() - the defaults. */
void def_init(struct vm_def *def);
void def_free(struct vm_def *def);
/** def_set_text() - set a row from an option's text. Return: 0, -EINVAL with @err, -ENOMEM. */
int def_set_text(struct vm_def *def, const struct def_setting *set, const char *text, char *err,
	size_t err_size);
/** def_set_field() - as def_set_text(), of any struct @base with rows of its own. */
int def_set_field(void *base, const struct def_setting *set, const char *text, char *err,
	size_t err_size);
/** def_list_new() - one more item, empty. NULL with @err: there are as many as there may be. */
void *def_list_new(struct vm_def *def, const struct def_list *list, char *err, size_t err_size);
/** def_list_text() - one more item from an option's text, HEAD[,KEY=VALUE]...; a comma that belongs
 * to a value is written twice. Return: 0, -EINVAL with @err, -ENOMEM. */
int def_list_text(struct vm_def *def, const struct def_list *list, const char *text, char *err,
	size_t err_size);
/** def_list_format() - an item as def_list_text() takes it. Return: 0, -ENOSPC. */
int def_list_format(const struct def_list *list, const void *item, char *out, size_t size);
/** def_list_item() - number @i, borrowed. */
const void *def_list_item(const struct vm_def *def, const struct def_list *list, uint32_t i);
/** def_list_field() - the row of a field's name, NULL with @err: there is none. */
const struct def_setting *def_list_field(
	const struct def_list *list, const char *name, char *err, size_t err_size);
/** def_list_check() - what every item must have. */
int def_list_check(
	const struct def_list *list, const void *item, char *err, size_t err_size);
void def_list_clear(struct vm_def *def, const struct def_list *list);
uint32_t def_list_count(const struct vm_def *def, const struct def_list *list);
/** def_given() - was @key set by file or option? */
bool def_given(const struct vm_def *def, const char *key);
/** def_read_file() - read a definition; messages are FILE:LINE: what, and what to write instead.
 * Relative paths in it start at the file's folder. */
int def_read_file(struct vm_def *def, const char *path, char *err, size_t err_size);
/** def_check() - what only all settings together can tell. */
int def_check(const struct vm_def *def, char *err, size_t err_size);

/** def_parse_size() - "256M", "2G", "4096": bytes. Return: 0 or -EINVAL. */
int def_parse_size(const char *text, uint64_t *out);
/** def_parse_console() - "80x24". */
int def_parse_console(struct vm_def *def, const char *text, char *err, size_t err_size);
/** def_near() - is @candidate nearer to @name than @best (at first 3)? Then @best is its distance. */
bool def_near(const char *name, const char *candidate, unsigned *best);
/** def_nearest() - the nearest of the file's setting names, NULL when nothing is near. */
const char *def_nearest(const char *group, const char *name);

#endif
