/*
 * cli_verbs.c - the verbs of the command line: a row each, with their options. --help, the man page and the
 * completion come from here.
 */
#include "config.h"

#include <string.h>

#include "tui/cli.h"

#define JSON_OPTION { "json", 0, NULL, "print JSON" }
#define END { 0 }

static const struct cli_option ls_options[] = {
	JSON_OPTION,
	{ "quiet", 'q', NULL, "names only" },
	END
};

static const struct cli_option run_options[] = {
	{ "name", 'n', "NAME", "name of the VM (default: the guest's or kernel's, with a number when it is taken)" },
	{ "memory", 'm', "SIZE", "RAM, as 256M (default 128M)" },
	{ "vcpus", 'c', "N", "number of vCPUs (default 1)" },
	{ "kernel", 'k', "PATH|guest:NAME", "what to boot, instead of the argument" },
	{ "cpu", 0, "host|baseline[,+FEATURE][,-FEATURE]...", "what its CPU can: the host's (default), x86-64-v2, and so on" },
	{ "initrd", 'i', "PATH", "initial RAM disk" },
	{ "append", 'a', "TEXT", "kernel command line" },
	{ "disk", 'D', "PATH[,read_only=yes][,serial=S][,on_error=pause]",
		"a disk: an image file or a block device; may be repeated" },
	{ "net", 'N', "user[,forward=tcp:[ADDR:]HOST:GUEST]...[,ipv6=no]|tap,ifname=NAME[,mac=MAC]",
		"a network card; may be repeated" },
	{ "rng", 0, "yes|no", "an entropy source (default yes)" },
	{ "balloon", 0, "yes|no", "a memory balloon (default yes)" },
	{ "vsock", 0, "CID", "sockets between guest and host: the guest's address, 3 or more (default: none)" },
	{ "config", 'f', "FILE", "a definition to begin with; the other options win" },
	{ "size", 's', "COLSxROWS", "size of the console (default: this terminal's when attached)" },
	{ "history", 0, "SIZE", "console output kept for those who attach later (default 1M)" },
	{ "load", 'l', "SNAPSHOT", "begin from a snapshot: VM/NAME, or its folder" },
	{ "sandbox", 0, "yes|no", "confine the VM's process (default yes)" },
	{ "dirty-ring", 0, "N", "track written pages with KVM's dirty ring of N entries" },
	{ "paused", 'p', NULL, "do not run until resumed" },
	{ "on-shutdown", 0, "stop|exit", "when the guest shuts down: keep the VM's process, or end it" },
	{ "on-panic", 0, "go-on|pause", "when the guest's kernel panics: leave it to the kernel, or pause the VM" },
	{ "detach", 'd', NULL, "leave it in the background and print its name" },
	END
};

static const struct cli_option start_options[] = {
	{ "console", 'c', NULL, "attach to its console (one VM)" },
	END
};

static const struct cli_option stop_options[] = {
	{ "force", 'f', NULL, "turn it off at once: the guest gets no chance to write anything back" },
	{ "timeout", 't', "SECONDS", "how long the guest may take to shut down before it is turned off (default 30)" },
	{ "no-force", 0, NULL, "do not turn it off when the time is over" },
	END
};

static const struct cli_option json_only[] = { JSON_OPTION, END };

static const struct cli_option console_options[] = {
	{ "stream", 's', "hvc0|ttyS0", "which console (default hvc0)" },
	{ "raw", 'r', NULL, "pass on everything that the guest prints, dangerous sequences too" },
	{ "no-resize", 0, NULL, "do not tell the guest this terminal's size" },
	{ "prefix", 0, "KEY", "the key that begins commands, as C-a (default C-])" },
	{ "history", 0, NULL, "print what the VM has kept of its output, and end" },
	END
};

static const struct cli_option send_options[] = {
	{ "stream", 's', "hvc0|ttyS0", "which console (default hvc0)" },
	{ "escapes", 'e', NULL, "understand \\n \\r \\t \\e \\\\ \\xHH" },
	{ "no-enter", 'n', NULL, "do not press Enter at the end" },
	{ "expect", 'x', "TEXT", "wait until the console prints this, and print what came" },
	{ "timeout", 't', "SECONDS", "how long to wait (default 10)" },
	{ "quiet", 'q', NULL, "with --expect: do not print what came" },
	END
};

static const struct cli_option registers_options[] = {
	{ "cpu", 'c', "N", "which vCPU (default 0)" },
	JSON_OPTION,
	END
};

static const struct cli_option demo_options[] = {
	{ "stop", 0, NULL, "end the demo's VMs" },
	{ "detach", 'd', NULL, "start the VMs, do not open the workstation" },
	{ "root", 0, "DIR", "linux: look for kernel and modules in DIR/boot and DIR/lib/modules" },
	{ "modules", 0, "DIR", "linux: the kernel's folder of modules (default /lib/modules/RELEASE)" },
	{ "memory", 'm', "SIZE", "linux: RAM (default 512M)" },
	{ "vcpus", 'c', "N", "linux: number of vCPUs (default 2)" },
	{ "append", 'a', "TEXT", "linux: more for the kernel's command line" },
	{ "disk", 'D', "PATH[,OPTION...]", "linux: a disk, as for run; may be repeated" },
	{ "net", 'N', "user|tap[,OPTION...]", "linux: a network card, as for run; may be repeated (default user)" },
	END
};

const struct cli_verb cli_verbs[] = {
	{ "ls", "[OPTIONS]", "List the VMs that run and those that are defined.", cli_ls, 0, 0, ls_options, NULL },
	{ "run", "[OPTIONS] GUEST|KERNEL", "Start a VM from the command line and attach to its console.", cli_run, 0, 1,
		run_options,
		"GUEST is one that came with vitrine (shell, pager, clock, smp), KERNEL a file. The VM goes on when the "
		"terminal is detached." },
	{ "start", "[OPTIONS] VM...", "Start VMs by their definitions, or run again what was shut down.", cli_start, 1, -1,
		start_options, "The definition of NAME is vms/NAME.cfg in vitrine's configuration folder." },
	{ "pause", "VM...", "Stop every vCPU; the console stays readable.", cli_pause, 1, -1, NULL, NULL },
	{ "resume", "VM...", "Let paused VMs go on.", cli_resume, 1, -1, NULL, NULL },
	{ "stop", "[OPTIONS] VM...", "Shut VMs down, by the power button where there is one.", cli_stop, 1, -1,
		stop_options,
		"The time that the guest has runs down in sight on a terminal, where Enter ends it. One that was turned off "
		"because its time was over makes the exit status 5. A guest without a power button is turned off after a question; without a terminal to ask on, only with "
		"--force." },
	{ "reset", "VM...", "Reset the machine at once, as its reset button does; one that was shut down runs again.",
		cli_reset, 1, -1, NULL, NULL },
	{ "snapshot", "take VM [NAME] | list VM | delete VM SNAPSHOT", "Take, list or delete snapshots.", cli_snapshot, 2,
		3, json_only, "A snapshot holds memory, vCPUs, devices and the console's history. Without a NAME it is named "
		"after the moment." },
	{ "load", "VM SNAPSHOT", "Go back to a snapshot: what the guest did since is lost.", cli_load, 2, 2, NULL,
		"SNAPSHOT is a name or an id, as snapshot list shows them." },
	{ "console", "[OPTIONS] VM", "Attach this terminal to a VM's console.", cli_console, 1, 1, console_options,
		"The recent output comes first. Ctrl-] d detaches, Ctrl-] twice sends Ctrl-], Ctrl-] ? helps. What the guest "
		"prints is made harmless on a terminal. Without a terminal, standard input is typed and the output printed "
		"until the VM ends." },
	{ "send", "[OPTIONS] VM [TEXT...]", "Type into a VM's console and wait for an answer.", cli_send, 1, -1,
		send_options, NULL },
	{ "registers", "[OPTIONS] VM", "Show the registers of a vCPU.", cli_registers, 1, 1, registers_options, NULL },
	{ "map", "[OPTIONS] VM", "Show the memory map: RAM, devices, holes, memory slots.", cli_map, 1, 1, json_only,
		"Flags: ro, the guest cannot write it; d, writes are logged." },
	{ "devices", "[OPTIONS] VM", "Show the devices with their addresses, interrupts and queues.", cli_devices, 1, 1,
		json_only, NULL },
	{ "balloon", "[OPTIONS] VM [SIZE]", "Say how much memory the guest shall keep, or how much it keeps.", cli_balloon, 1, 2,
		json_only, "A guest with a balloon driver (Linux: virtio_balloon) hands pages over until it keeps SIZE (256M, 2G) and "
		"gets them back when SIZE grows." },
	{ "link", "VM CARD up|down", "Pull a network card's cable, or plug it in.", cli_link, 3, 3, NULL,
		"CARD is net0, the second net1: vitrine devices VM shows them, with the guest's addresses." },
	{ "log", "VM", "Print what the VM's process had to say, also after it has ended.", cli_log, 1, 1, NULL, NULL },
	{ "check", "[OPTIONS]", "Say whether this host can run VMs, what is missing, and how to fix it.", cli_check, 0, 0,
		json_only, "The exit status is 0 when all is ready, 4 when KVM cannot be used." },
	{ "demo", "[OPTIONS] [linux [KERNEL]]", "Start three teaching guests, or a Linux, and open the workstation on them.",
		cli_demo, 0, 2, demo_options,
		"A second time, it attaches to the same VMs. demo linux boots the newest kernel in /boot, or KERNEL, a version "
		"there or a file, into a small system in memory that is made from busybox-static and the kernel's modules and "
		"kept in the cache." },
	{ 0 },
};

const struct cli_verb *cli_find(const char *name)
{
	const struct cli_verb *v;

	for (v = cli_verbs; v->name; v++) {
		if (!strcmp(v->name, name))
			return v;
	}
	return NULL;
}

static const struct cli_option workstation_options[] = {
	{ "layout", 'l', "LAYOUT", "begin with this layout, a name or one written out" },
	{ "theme", 't', "THEME", "begin with this theme" },
	{ "config", 'c', "FILE", "read this instead of vitrine.cfg" },
	{ "select", 's', "VM", "begin with this VM" },
	{ "ascii", 'a', NULL, "draw with ASCII characters only" },
	END
};
const struct cli_verb cli_no_verb = { .name = "", .args = "[OPTIONS]", .help = "Open the workstation on every VM there is.",
	.options = workstation_options };

static void print_options(const struct cli_option *o)
{
	char left[128];

	for (; o && o->name; o++) {
		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
			o->letter ? ", " : "  ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		if (strlen(left) > 28) /* too long to stand beside its help */
			printf("  %s\n%31s%s\n", left, "", o->help);
		else
			printf("  %-28s %s\n", left, o->help);
	}
}

void cli_help(const struct cli_verb *verb)
{
	printf("usage: vitrine %s %s\n\n%s\n", verb->name, verb->args, verb->help);
	if (verb->more)
		printf("%s\n", verb->more);
	putchar('\n');
	print_options(verb->options);
	printf("  %-28s %s\n", "-h, --help", "print this");
}

static void help_all(void)
{
	const struct cli_verb *v;

	puts("usage: vitrine [OPTIONS]              open the workstation\n"
	     "       vitrine VERB [ARGUMENTS]       one act, for scripts\n");
	print_options(workstation_options);
	putchar('\n');
	for (v = cli_verbs; v->name; v++)
		printf("  %-10s %s\n", v->name, v->help);
	puts("\n`vitrine VERB --help` shows a verb's options. Exit status: 0 done, 1 failed, 2 wrong arguments,\n"
	     "3 no such VM, 4 KVM cannot be used, 5 not in time.\n"
	     "--version prints the version, --list-verbs the verbs, --list-commands the workstation's commands.");
}

int cli_usage(void)
{
	fputs("usage: vitrine [OPTIONS] or vitrine VERB ...; `vitrine --help` lists both\n", stderr);
	return CLI_USAGE;
}

static int unknown(const char *name)
{
	const struct cli_verb *v, *near = NULL;

	for (v = cli_verbs; v->name && !near; v++) {
		if (!strncmp(v->name, name, 2) || (strlen(name) > 2 && strstr(v->name, name)))
			near = v;
	}
	if (near)
		return cli_fail(CLI_USAGE, "no verb '%s'; did you mean %s? `vitrine --help` lists them all", name, near->name);
	return cli_fail(CLI_USAGE, "no verb '%s'; `vitrine --help` lists them all", name);
}

int cli_main(int argc, char **argv)
{
	const struct cli_verb *v;

	if (argc < 2)
		return -1;
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		v = argc > 2 ? cli_find(argv[2]) : NULL;
		if (argc > 2 && !v)
			return unknown(argv[2]);
		if (v)
			cli_help(v);
		else
			help_all();
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("vitrine " PACKAGE_VERSION);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--list-verbs")) {
		for (v = cli_verbs; v->name; v++)
			printf("%s\t%s\n", v->name, v->help);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--list-options")) {
		v = argc > 2 ? cli_find(argv[2]) : &cli_no_verb;
		for (const struct cli_option *o = v ? v->options : NULL; o && o->name; o++)
			printf("--%s%s\n", o->name, o->arg ? "=" : "");
		return CLI_OK;
	}
	if (argv[1][0] == '-')
		return -1;
	v = cli_find(argv[1]);
	return v ? v->run(argc - 1, argv + 1) : unknown(argv[1]);
}
