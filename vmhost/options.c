/* options.c - see options.h. Options that set something are the rows of def.c. Main thread, at
 * start. */
#include "vmhost/options.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vmcore/client.h>

/* Options that are no settings. */
static const struct {
	const char *name, *arg, *help;
} others[] = {
	{"name", "NAME", "name of the VM (default: that of the definition file)"},
	{"config", "FILE",
		"definition to read; without it, and without --kernel and --load, vms/NAME.cfg"},
	{"console", "COLSxROWS", "size of hvc0 (default 80x24)"},
	{"no-sandbox", NULL, "as --sandbox no"},
	{"foreground", NULL, "stay in the foreground, with the log on stderr too"},
	{"ready-fd", "N", "write \"ready\" or \"failed ERRNO TEXT\" to descriptor N"},
	{"check-config", NULL, "read options and definition, say what is wrong, and end"},
	{"check-host", NULL, "say as JSON what this host's KVM offers, and end"},
	{"version", NULL, "print the version"},
	{"help", NULL, "print this"},
};
#define NOTHERS (sizeof(others) / sizeof(others[0]))

static void help_line(const char *name, const char *arg, const char *help)
{
	char left[128];

	snprintf(left, sizeof(left), "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
	if (strlen(left) > 28) /* too long to stand beside its help */
		printf("  %s\n%31s%s\n", left, "", help);
	else
		printf("  %-28s %s\n", left, help);
}

void options_help(void)
{
	printf("usage: vitrine-vm --name NAME --kernel PATH|guest:NAME [options]\n"
	       "Holds one virtual machine: runs it on /dev/kvm and serves its consoles and control "
	       "socket.\n\n");
	for (size_t i = 0; i < NOTHERS; i++)
		help_line(others[i].name, others[i].arg, others[i].help);
	for (size_t i = 0; i < def_nsettings; i++)
		if (def_settings[i].option)
			help_line(
				def_settings[i].option, def_settings[i].arg, def_settings[i].help);
	for (size_t i = 0; i < def_nlists; i++)
		help_line(def_lists[i].option, def_lists[i].arg, def_lists[i].help);
	printf("\nExit status: 0 the VM ended, 1 failed, 2 bad options or definition, 4 KVM cannot "
	       "be used;\n"
	       "with --on-shutdown exit, the guest's own code.\n");
}

static int fail(char *err, size_t err_size, const char *fmt, const char *what)
{
	snprintf(err, err_size, fmt, what);
	return -EINVAL;
}

/* One of others[]. @value NULL: it takes none. */
static int other(
	struct options *opt, const char *name, const char *value, char *err, size_t err_size)
{
	char why[256];
	int used, rc;

	if (!strcmp(name, "name")) {
		if (!vmc_name_ok(value))
			return fail(err, err_size,
				"--name: \"%s\" cannot be the name of a VM: 1 to 48 letters,"
				" digits, '.', '_' and '-', beginning with neither '.' nor '-'",
				value);
		snprintf(opt->def.name, sizeof(opt->def.name), "%s", value);
	} else if (!strcmp(name, "config")) {
		if (strlen(value) >= sizeof(opt->config))
			return fail(err, err_size, "--config: the path is too long%s", "");
		strcpy(opt->config, value);
	} else if (!strcmp(name, "console")) {
		rc = def_parse_console(&opt->def, value, why, sizeof(why));
		if (rc < 0)
			return fail(err, err_size, "--console: %s", why);
	} else if (!strcmp(name, "ready-fd")) {
		if (sscanf(value, "%d%n", &opt->ready_fd, &used) != 1 || value[used] ||
			opt->ready_fd < 0)
			return fail(err, err_size, "--ready-fd: \"%s\" is not a descriptor", value);
	} else if (!strcmp(name, "no-sandbox")) {
		opt->def.sandbox = false;
	} else if (!strcmp(name, "foreground")) {
		opt->foreground = true;
	} else if (!strcmp(name, "check-config")) {
		opt->check_config = true;
	} else if (!strcmp(name, "check-host")) {
		opt->check_host = true;
	} else if (!strcmp(name, "version")) {
		opt->version = true;
	} else {
		opt->help = true;
	}
	return 0;
}

static int setting(struct options *opt, const struct def_setting *set, const char *value, char *err,
	size_t err_size)
{
	char why[512];
	int rc = def_set_text(&opt->def, set, value ? value : "yes", why, sizeof(why));

	if (rc < 0)
		snprintf(err, err_size, "--%s: %s", set->option,
			rc == -ENOMEM ? "out of memory" : why);
	return rc;
}

static int item(struct options *opt, const struct def_list *list, const char *text, char *err,
	size_t err_size)
{
	char why[512];
	int rc = def_list_text(&opt->def, list, text, why, sizeof(why));

	if (rc < 0)
		snprintf(err, err_size, "--%s: %s", list->option,
			rc == -ENOMEM ? "out of memory" : why);
	return rc;
}

static bool named(const char *word, size_t len, const char *name)
{
	return name && strlen(name) == len && strncmp(word, name, len) == 0;
}

/* One option at argv[*i], with its value; "--x=y" too. */
static int one(struct options *opt, int argc, char **argv, int *i, char *err, size_t err_size)
{
	const char *word = argv[*i] + 2, *eq, *value = NULL, *arg = NULL, *found = NULL;
	const struct def_setting *set = NULL;
	const struct def_list *list = NULL;
	size_t len;

	if (strncmp(argv[*i], "--", 2) || !*word)
		return fail(
			err, err_size, "\"%s\" is not an option; see vitrine-vm --help", argv[*i]);
	eq = strchr(word, '=');
	len = eq ? (size_t)(eq - word) : strlen(word);
	for (size_t k = 0; k < NOTHERS && !found; k++)
		if (named(word, len, others[k].name))
			found = others[k].name, arg = others[k].arg;
	for (size_t k = 0; k < def_nsettings && !found; k++)
		if (named(word, len, def_settings[k].option))
			set = &def_settings[k], found = set->option, arg = set->arg;
	for (size_t k = 0; k < def_nlists && !found; k++)
		if (named(word, len, def_lists[k].option))
			list = &def_lists[k], found = list->option, arg = list->arg;
	if (!found)
		return fail(
			err, err_size, "there is no option %s; see vitrine-vm --help", argv[*i]);
	if (eq)
		value = eq + 1;
	else if (arg && *i + 1 < argc)
		value = argv[++*i];
	if (!arg != !value)
		return fail(
			err, err_size, arg ? "--%s needs a value" : "--%s takes no value", found);
	return set    ? setting(opt, set, value, err, err_size)
	       : list ? item(opt, list, value, err, err_size)
		      : other(opt, found, value, err, err_size);
}

static int all(struct options *opt, int argc, char **argv, char *err, size_t err_size)
{
	/* Before anything else can be wrong: it says where to complain. */
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--ready-fd") &&
			other(opt, "ready-fd", argv[i + 1], err, err_size) < 0)
			return -EINVAL;
	for (int i = 1; i < argc; i++) {
		int rc = one(opt, argc, argv, &i, err, err_size);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* vms/NAME.cfg when nothing else says what to run; the file's name when nothing else names the VM.
 */
static int find_definition(struct options *opt, char *err, size_t err_size)
{
	char dir[4000], name[VMC_NAME_SIZE];
	const char *base, *dot;

	if (!*opt->config && *opt->def.name && !opt->def.kernel && !opt->def.load) {
		if (vmc_path_config(dir, sizeof(dir), err, err_size) == 0 &&
			(size_t)snprintf(opt->config, sizeof(opt->config), "%s/vms/%s.cfg", dir,
				opt->def.name) < sizeof(opt->config) &&
			access(opt->config, F_OK) < 0)
			opt->config[0] = '\0';
	}
	if (*opt->def.name)
		return 0;
	if (!*opt->config)
		return fail(err, err_size, "no name: give --name NAME%s", "");
	base = strrchr(opt->config, '/');
	base = base ? base + 1 : opt->config;
	dot = strrchr(base, '.');
	snprintf(name, sizeof(name), "%.*s", dot ? (int)(dot - base) : (int)strlen(base), base);
	if (!vmc_name_ok(name))
		return fail(err, err_size, "%s names no VM: give --name NAME", opt->config);
	strcpy(opt->def.name, name);
	return 0;
}

/* The definition, then the options again, for what they say wins: a list that they give replaces the
 * file's. */
static int with_file(struct options *opt, int argc, char **argv, char *err, size_t err_size)
{
	uint32_t given = 0;
	int rc;

	for (size_t i = 0; i < def_nlists; i++) {
		if (def_list_count(&opt->def, &def_lists[i]))
			given |= 1u << i;
		def_list_clear(&opt->def, &def_lists[i]);
	}
	rc = def_read_file(&opt->def, opt->config, err, err_size);
	for (size_t i = 0; i < def_nlists; i++)
		if (given >> i & 1)
			def_list_clear(&opt->def, &def_lists[i]);
	return rc < 0 ? rc : all(opt, argc, argv, err, err_size);
}

int options_parse(struct options *opt, int argc, char **argv, char *err, size_t err_size)
{
	int rc;

	memset(opt, 0, sizeof(*opt));
	opt->ready_fd = -1;
	def_init(&opt->def);
	rc = all(opt, argc, argv, err, err_size);
	if (rc < 0 || opt->help || opt->version || opt->check_host)
		return rc;
	rc = find_definition(opt, err, err_size);
	if (rc < 0)
		return rc;
	if (*opt->config) {
		rc = with_file(opt, argc, argv, err, err_size);
		if (rc < 0)
			return rc;
	}
	return def_check(&opt->def, err, err_size);
}
