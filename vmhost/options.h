/* options.h - the command line of vitrine-vm; its settings are def.h's. Main thread, at start. */
#ifndef VMHOST_OPTIONS_H
#define VMHOST_OPTIONS_H
#include "vmhost/def.h"

struct options {
	struct vm_def def;
	char config[4096]; /* the definition that was read, "" when none was */
	bool foreground, check_config, check_host, help, version;
	int ready_fd; /* -1: none */
};

/** options_parse() - options, definition file (options win), checks. Return: 0 or -errno with @err.
 */
int options_parse(struct options *opt, int argc, char **argv, char *err, size_t err_size);
void options_help(void);

#endif
