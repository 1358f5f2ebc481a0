/*
 * def.h - what one VM is to be: the definition, as read from vms/NAME.cfg and the command line.
 *
 * Every setting is one row of one table (def.c); file, options, --help and the error messages come
 * from it. Main thread, before anything else is set up.
 */
#ifndef VMHOST_DEF_H
#define VMHOST_DEF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEF_NAME_SIZE 64
#define DEF_ERR_SIZE  1024

struct vm_def {
	char name[DEF_NAME_SIZE];
	char *kernel, *initrd, *cmdline; /* kernel: a path or "guest:NAME" */
	char *load;                      /* snapshot to start from: id, name or folder */
	char *on_shutdown;               /* "stop" or "exit" */
	uint64_t memory, vcpus, cols, rows, history, dirty_ring;
	bool snapshots, sandbox, paused;
	uint64_t given; /* one bit a row of the table: set by file or option, not a default */
};

enum def_type { DEF_SIZE, DEF_UINT, DEF_STRING, DEF_PATH, DEF_BOOL, DEF_CHOICE };

struct def_setting {
	const char
		*key; /* in the file; "console.cols" lies in the group console; NULL: option only */
	const char *option; /* on the command line without the dashes; NULL: file only */
	const char *arg;    /* how the option's value is shown; NULL: takes none */
	enum def_type type;
	size_t offset; /* in struct vm_def */
	uint64_t min, max;
	const char *choices; /* DEF_CHOICE: "stop|exit" */
	const char *help;
};

extern const struct def_setting def_settings[];
extern const size_t def_nsettings;

/** def_init() - the defaults. */
void def_init(struct vm_def *def);
void def_free(struct vm_def *def);
/** def_set_text() - set a row from an option's text. Return: 0, -EINVAL with @err, -ENOMEM. */
int def_set_text(struct vm_def *def, const struct def_setting *set, const char *text, char *err,
	size_t err_size);
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
/** def_nearest() - the nearest of the file's setting names, NULL when nothing is near. */
const char *def_nearest(const char *group, const char *name);

#endif
