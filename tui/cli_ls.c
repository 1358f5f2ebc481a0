/*
 * cli_ls.c - verbs that only look: ls, registers, map, devices, log.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tui/cli.h"

static void uptime(uint64_t ms, char *out, size_t size)
{
	uint64_t s = ms / 1000;

	if (s < 3600)
		snprintf(out, size, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
}

/* One of a VM that does not answer is shown all the same: it is there. */
static void look(const struct vmc_list_entry *e, struct vmc_vm_info *info, const char **state)
{
	char *json = NULL, err[VMC_MSG_SIZE];

	memset(info, 0, sizeof(*info));
	*state = "off";
	if (!e->running)
		return;
	*state = "no answer";
	if (vmc_command_wait(e->name, "x-query-vm", NULL, 2000, NULL, NULL, &json, err, sizeof(err)) == 0 &&
		vmc_parse_vm_info(json, info) == 0)
		*state = cli_state(info->state);
	free(json);
}

static void ls_json(struct cli_json *j, const struct vmc_list_entry *e, const struct vmc_vm_info *info,
	const char *state)
{
	cli_json_open(j, NULL, '{');
	cli_json_text(j, "name", e->name);
	cli_json_text(j, "state", state);
	cli_json_bool(j, "up", e->running);
	cli_json_bool(j, "defined", e->defined);
	if (e->running) {
		cli_json_number(j, "pid", info->pid ? info->pid : e->pid);
		cli_json_number(j, "vcpus", info->vcpus);
		cli_json_number(j, "memory", (int64_t)info->ram_bytes);
		cli_json_number(j, "uptime-ms", (int64_t)info->uptime_ms);
		cli_json_text(j, "kernel", info->kernel);
		cli_json_text(j, "cmdline", info->cmdline);
		cli_json_text(j, "reason", info->reason);
		cli_json_bool(j, "sandbox", info->sandboxed);
		cli_json_bool(j, "panicked", info->panicked);
	}
	cli_json_text(j, "config", e->config);
	cli_json_close(j, '}');
}

static void ls_line(const struct vmc_list_entry *e, const struct vmc_vm_info *info, const char *state)
{
	char mem[16] = "-", up[32] = "-", pid[16] = "-", vcpus[16] = "-", reason[80];

	if (e->running)
		snprintf(pid, sizeof(pid), "%" PRId32, info->pid ? info->pid : e->pid);
	if (info->name[0]) { /* it answered */
		cli_size(info->ram_bytes, mem, sizeof(mem));
		uptime(info->uptime_ms, up, sizeof(up));
		snprintf(vcpus, sizeof(vcpus), "%" PRIu32, info->vcpus);
	}
	printf("%-20s %-9s %7s %5s %7s %9s  ", e->name, state, pid, vcpus, mem, up);
	snprintf(reason, sizeof(reason), "%.*s", (int)strcspn(info->reason, "\n"), info->reason);
	cli_clean(stdout, reason[0] ? reason : e->running ? info->kernel : e->config);
	putchar('\n');
}

int cli_ls(int argc, char **argv)
{
	enum { JSON, QUIET };
	struct vmc_list_entry *list = NULL;
	struct cli_json j = { .f = stdout };
	char err[VMC_MSG_SIZE];
	struct cli_call call;
	size_t n = 0, i;
	int status;

	if (!cli_parse("ls", argc, argv, &call, &status))
		return status;
	if (vmc_list(&list, &n, err, sizeof(err)) < 0)
		return cli_fail(CLI_FAILED, "%s", err);
	if (call.value[JSON])
		cli_json_open(&j, NULL, '[');
	else if (!call.value[QUIET] && n)
		printf("%-20s %-9s %7s %5s %7s %9s  %s\n", "NAME", "STATE", "PID", "VCPUS", "MEMORY", "UP", "KERNEL");
	for (i = 0; i < n; i++) {
		struct vmc_vm_info info;
		const char *state;

		if (call.value[QUIET] && !call.value[JSON]) {
			puts(list[i].name);
			continue;
		}
		look(&list[i], &info, &state);
		if (call.value[JSON])
			ls_json(&j, &list[i], &info, state);
		else
			ls_line(&list[i], &info, state);
	}
	if (call.value[JSON])
		cli_json_close(&j, ']');
	else if (!n && !call.value[QUIET])
		fputs("no VMs: `vitrine run shell` starts one, `vitrine demo` three\n", stderr);
	free(list);
	return CLI_OK;
}

/* A reply that is printed as it came (--json), or handed to @show. */
static int show_reply(const char *vm, const char *command, const char *args, bool json_wanted,
	int (*show)(const char *json))
{
	char *json = NULL;
	int status = cli_command(vm, command, args, &json);

	if (status == CLI_OK && json_wanted)
		puts(json);
	else if (status == CLI_OK && show(json) < 0)
		status = cli_fail(CLI_FAILED, "%s: its answer to %s makes no sense", vm, command);
	free(json);
	return status;
}

static void show_segment(const char *name, const struct vmc_segment *s)
{
	if (s->unusable) {
		printf("%-4s %04x  unusable\n", name, s->selector);
		return;
	}
	printf("%-4s %04x  base %016" PRIx64 "  limit %08" PRIx32 "  type %x  dpl %u%s%s%s%s\n", name, s->selector,
		s->base, s->limit, s->type, s->dpl, s->present ? "" : "  not present", s->s ? "" : "  system",
		s->l ? "  64-bit" : s->db ? "  32-bit" : "  16-bit", s->g ? "  pages" : "");
}

static int show_registers(const char *json)
{
	struct vmc_sample_cpu c;
	const struct vmc_regs *r = &c.regs;
	const struct vmc_sregs *s = &c.sregs;
	uint32_t i;

	if (vmc_parse_registers(json, &c) < 0)
		return -EPROTO;
	printf("rax %016" PRIx64 "  rbx %016" PRIx64 "  rcx %016" PRIx64 "\n", r->rax, r->rbx, r->rcx);
	printf("rdx %016" PRIx64 "  rsi %016" PRIx64 "  rdi %016" PRIx64 "\n", r->rdx, r->rsi, r->rdi);
	printf("rsp %016" PRIx64 "  rbp %016" PRIx64 "  r8  %016" PRIx64 "\n", r->rsp, r->rbp, r->r8);
	printf("r9  %016" PRIx64 "  r10 %016" PRIx64 "  r11 %016" PRIx64 "\n", r->r9, r->r10, r->r11);
	printf("r12 %016" PRIx64 "  r13 %016" PRIx64 "  r14 %016" PRIx64 "\n", r->r12, r->r13, r->r14);
	printf("r15 %016" PRIx64 "  rip %016" PRIx64 "  flags %014" PRIx64 "\n", r->r15, r->rip, r->rflags);
	printf("cr0 %016" PRIx64 "  cr2 %016" PRIx64 "  cr3 %016" PRIx64 "\n", s->cr0, s->cr2, s->cr3);
	printf("cr4 %016" PRIx64 "  cr8 %016" PRIx64 "  efer %015" PRIx64 "\n", s->cr4, s->cr8, s->efer);
	printf("apic %015" PRIx64 "  gdt %016" PRIx64 "/%04x  idt %016" PRIx64 "/%04x\n", s->apic_base, s->gdt.base,
		s->gdt.limit, s->idt.base, s->idt.limit);
	show_segment("cs", &s->cs);
	show_segment("ds", &s->ds);
	show_segment("es", &s->es);
	show_segment("fs", &s->fs);
	show_segment("gs", &s->gs);
	show_segment("ss", &s->ss);
	show_segment("tr", &s->tr);
	show_segment("ldt", &s->ldt);
	if (c.symbol[0]) {
		printf("at   ");
		cli_clean(stdout, c.symbol);
		putchar('\n');
	}
	if (c.code_len)
		printf("code");
	for (i = 0; i < c.code_len; i++)
		printf(" %02x", c.code[i]);
	if (c.code_len)
		putchar('\n');
	return 0;
}

int cli_registers(int argc, char **argv)
{
	enum { CPU, JSON };
	struct cli_call call;
	uint64_t cpu = 0;
	char args[64];
	int status;

	if (!cli_parse("registers", argc, argv, &call, &status))
		return status;
	if (call.value[CPU] && !cli_number(call.value[CPU], 0, VMC_MAX_VCPUS - 1, &cpu))
		return cli_fail(CLI_USAGE, "--cpu %s: a number from 0 to %u", call.value[CPU], VMC_MAX_VCPUS - 1);
	snprintf(args, sizeof(args), "{\"cpu\": %" PRIu64 "}", cpu);
	return show_reply(call.argv[0], "x-registers", args, call.value[JSON], show_registers);
}

static int show_map(const char *json)
{
	struct vmc_map_entry *map = NULL;
	char size[16], resident[16];
	size_t n = 0, i;
	int rc = vmc_parse_memory_map(json, &map, &n);

	if (rc < 0)
		return rc;
	printf("%-16s %-16s %7s %-7s %4s %-5s %8s %9s  %s\n", "START", "END", "SIZE", "KIND", "SLOT", "FLAGS", "RESIDENT",
		"ACCESSES", "NAME");
	for (i = 0; i < n; i++) {
		const struct vmc_map_entry *e = &map[i];

		printf("%016" PRIx64 " %016" PRIx64 " %7s ", e->start, e->size ? e->start + e->size - 1 : e->start,
			cli_size(e->size, size, sizeof(size)));
		cli_clean(stdout, e->kind);
		printf("%*s ", (int)(e->kind[0] ? 7 - (int)strlen(e->kind) : 7), "");
		if (e->slot >= 0)
			printf("%4" PRId32, e->slot);
		else
			printf("%4s", "-");
		printf(" %-5s %8s %9" PRIu64 "  ", e->read_only ? e->dirty_log ? "ro,d" : "ro" : e->dirty_log ? "d" : "",
			e->resident >= 0 ? cli_size((uint64_t)e->resident, resident, sizeof(resident)) : "-", e->accesses);
		cli_clean(stdout, e->name);
		putchar('\n');
	}
	free(map);
	return 0;
}

int cli_map(int argc, char **argv)
{
	enum { JSON };
	struct cli_call call;
	int status;

	if (!cli_parse("map", argc, argv, &call, &status))
		return status;
	return show_reply(call.argv[0], "x-memory-map", NULL, call.value[JSON], show_map);
}

static int show_devices(const char *json)
{
	char *text = NULL;
	int rc = vmc_parse_devices(json, &text);

	if (rc == 0)
		cli_clean(stdout, text);
	free(text);
	return rc;
}

int cli_devices(int argc, char **argv)
{
	enum { JSON };
	struct cli_call call;
	int status;

	if (!cli_parse("devices", argc, argv, &call, &status))
		return status;
	return show_reply(call.argv[0], "x-devices", NULL, call.value[JSON], show_devices);
}

int cli_log(int argc, char **argv)
{
	char path[4096], line[4096];
	struct cli_call call;
	int status, rc;
	FILE *f;

	if (!cli_parse("log", argc, argv, &call, &status))
		return status;
	rc = vmc_path_log(call.argv[0], path, sizeof(path));
	if (rc < 0)
		return cli_fail(rc == -EINVAL ? CLI_USAGE : CLI_FAILED, "'%s': %s", call.argv[0],
			rc == -EINVAL ? "no VM can have this name" : strerror(-rc));
	f = fopen(path, "re");
	if (!f && errno == ENOENT)
		return cli_fail(CLI_NO_VM, "no log of a VM named '%s' (%s)", call.argv[0], path);
	if (!f)
		return cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		cli_clean(stdout, line);
	status = ferror(f) ? cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno)) : CLI_OK;
	fclose(f);
	return status;
}
