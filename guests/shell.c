/*
 * shell.c - a prompt inside a virtual machine: look at it and provoke it, and be told what
 * happened. Ring 3, vCPU 0. The commands are the rows of a table; help comes from it.
 */
#include "line.h"
#include "shell.h"

const char rt_program[] = "shell";

static void cmd_help(const struct args *a);
static void cmd_history(const struct args *a);
static void cmd_clear(const struct args *a);

const struct command shell_commands[] = {
	{"help", "[COMMAND]", "This list, or more about one command.", 0, cmd_help},
	{"peek", "ADDR [1|2|4|8]", "Read memory (a physical address: memory is mapped to itself).",
		1, cmd_peek},
	{"poke", "ADDR VALUE [1|2|4|8]", "Write memory.", 2, cmd_poke},
	{"fill", "ADDR LENGTH BYTE", "Fill memory; watch the heatmap.", 3, cmd_fill},
	{"dump", "ADDR [LENGTH]", "Memory in hex and as text.", 1, cmd_dump},
	{"map", "[ADDR]", "The memory map; with ADDR, the walk through the page tables.", 0,
		cmd_map},
	{"regs", "", "Control registers, tables and flags, decoded.", 0, cmd_regs},
	{"cpuid", "[LEAF [SUBLEAF]]", "What the CPU says of itself.", 0, cmd_cpuid},
	{"msr", "NUMBER [VALUE]", "Read or write a model-specific register.", 1, cmd_msr},
	{"in", "PORT [1|2|4]", "Read an I/O port.", 1, cmd_in},
	{"out", "PORT VALUE [1|2|4]", "Write an I/O port.", 2, cmd_out},
	{"pci", "", "The PCI functions and where their registers are.", 0, cmd_pci},
	{"irq", "", "Interrupts and exceptions so far.", 0, cmd_irq},
	{"timer", "[MS [COUNT]]", "Sleep on the APIC timer and see how exact it is.", 0, cmd_timer},
	{"speed", "", "Instructions a second in kernel and in user mode.", 0, cmd_speed},
	{"exit", "[KIND]", "Leave guest mode in a chosen way; alone: the kinds.", 0, cmd_exit},
	{"fault", "[KIND] [kernel]", "Raise an exception and survive it; alone: the kinds.", 0,
		cmd_fault},
	{"crash", "", "An instruction that some KVMs cannot emulate.", 0, cmd_crash},
	{"history", "", "The last lines entered.", 0, cmd_history},
	{"clear", "", "Clear the screen (Ctrl-L too).", 0, cmd_clear},
	{0},
};

static void vsay(const char *before, const char *format, va_list ap)
{
	char text[600], *line = text;
	unsigned cols, rows;

	rt_vsnprintf(text, sizeof(text), format, ap);
	rt_console_size(&cols, &rows);
	if (cols < 20)
		cols = 20;
	rt_printf("%s", before);
	for (;;) { /* break at spaces */
		size_t n = strlen(line), cut = n;

		if (n >= cols) {
			for (cut = cols - 1; cut && line[cut] != ' '; cut--)
				;
			if (!cut)
				cut = cols - 1;
		}
		rt_printf("%.*s\r\n", (int)cut, line);
		if (cut == n)
			break;
		line += cut + (line[cut] == ' ');
	}
	rt_printf("\x1b[0m");
}

void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay("", format, ap);
	va_end(ap);
}

void say_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(scr_sgr(ST_BAD), format, ap);
	va_end(ap);
}

void say_key(const char *key, const char *format, ...)
{
	unsigned cols, rows, room;
	char text[400], *line = text;
	va_list ap;

	va_start(ap, format);
	rt_vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	rt_console_size(&cols, &rows);
	room = cols > 30 ? cols - 14 : 16;
	rt_printf("%s%-12s%s ", scr_sgr(ST_KEY), key, scr_sgr(ST_PLAIN));
	while (strlen(line) > room) {
		size_t cut = room;

		while (cut && line[cut] != ' ')
			cut--;
		if (!cut)
			cut = room;
		rt_printf("%.*s\r\n%13s", (int)cut, line, "");
		line += cut + (line[cut] == ' ');
	}
	rt_printf("%s\r\n", line);
}

bool confirm(const char *question)
{
	int key;

	rt_printf("%s%s [y/N] %s", scr_sgr(ST_WARN), question, scr_sgr(ST_PLAIN));
	while ((key = rt_key()) == KEY_NONE)
		rt_wait(RT_FOREVER);
	rt_printf("%s\r\n", key == 'y' || key == 'Y' ? "yes" : "no");
	rt_drain(); /* what comes next may end this VM */
	return key == 'y' || key == 'Y';
}

static const struct command *find(const char *name)
{
	for (const struct command *c = shell_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void cmd_help(const struct args *a)
{
	const struct command *c;

	if (a->n) {
		c = find(a->text[0]);
		if (!c) {
			say_error("There is no command %s.", a->text[0]);
			return;
		}
		rt_printf("%s%s%s %s\r\n", scr_sgr(ST_KEY), c->name, scr_sgr(ST_PLAIN), c->args);
		say("%s", c->help);
		return;
	}
	for (c = shell_commands; c->name; c++)
		say_key(c->name, "%s", c->help);
	say("Numbers: 0x1000, 4096, 4k, 2m. Tab completes, the arrows edit and recall.");
}

static void cmd_history(const struct args *a)
{
	for (unsigned i = LINE_HISTORY; i; i--)
		if (line_history(i))
			rt_printf("%s\r\n", line_history(i));
}

static void cmd_clear(const struct args *a)
{
	rt_printf("\x1b[H\x1b[2J");
}

static const char *words(const char *line, unsigned i)
{
	const struct choice *list = !strncmp(line, "exit ", 5)    ? exit_choices
				    : !strncmp(line, "fault ", 6) ? fault_choices
								  : NULL;

	if (list) {
		for (unsigned n = 0; list[n].name; n++)
			if (n == i)
				return list[n].name;
		return NULL;
	}
	for (const char *c = line; *c; c++)
		if (*c == ' ' && strncmp(line, "help ", 5))
			return NULL;
	return i < ARRAY_SIZE(shell_commands) ? shell_commands[i].name : NULL;
}

static void run_line(char *line)
{
	const char *name = NULL;
	const struct command *c;
	struct args a = {0};

	for (char *p = line; *p;) {
		char *word;

		while (*p == ' ')
			p++;
		word = p;
		while (*p && *p != ' ')
			p++;
		if (*p)
			*p++ = 0;
		if (!*word)
			break;
		if (!name) {
			name = word;
		} else if (a.n < MAX_ARGS) {
			a.is_number[a.n] = rt_parse(word, &a.value[a.n]);
			a.text[a.n++] = word;
		}
	}
	if (!name)
		return;
	c = find(name);
	if (!c) {
		say_error("There is no command %s; help lists them.", name);
		return;
	}
	if (a.n < c->min_args) {
		say_error("Usage: %s %s", c->name, c->args);
		return;
	}
	c->run(&a);
}

static void banner(void)
{
	unsigned cols, rows;

	rt_console_size(&cols, &rows);
	rt_printf("\x1b[0m\x1b[2J\x1b[H%s shell %s look at a virtual machine%s\r\n",
		scr_sgr(ST_TITLE), scr_sgr(ST_PLAIN), cols < 48 ? "" : " from inside");
	rt_printf("%s%lu MiB, %s, %s %ux%u%s\r\n", scr_sgr(ST_DIM),
		(rt_machine.ram_bytes + 0xfffff) >> 20,
		rt_machine.hypervisor[0] ? rt_machine.hypervisor : "no hypervisor",
		rt_machine.console, cols, rows, scr_sgr(ST_PLAIN));
	say_key("help", "the commands");
	say_key("map", "what is where in memory");
	say_key("exit pio", "leave guest mode and why");
	say_key("fault pf", "a page fault, survived");
}

void rt_main(void)
{
	static char line[LINE_SIZE];
	char prompt[64];

	banner();
	rt_snprintf(prompt, sizeof(prompt), "%sshell>%s ", scr_sgr(ST_GOOD), scr_sgr(ST_PLAIN));
	for (;;) {
		line_read(prompt, 7, line, words);
		run_line(line);
	}
}
