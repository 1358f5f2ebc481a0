/*
 * cli_check.c - the verb check: can this host run VMs, what is missing, and the exact command that fixes it.
 * KVM is asked by vitrine-vm (vmc_check_host()), for that is what must be able to use it.
 */
#include "config.h"

#include <curses.h>
#include <errno.h>
#include <grp.h>
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <term.h>
#include <unistd.h>

#include "tui/cli.h"

#undef columns /* term.h's */

enum verdict { GOOD, NOTE, BAD };

struct report {
	bool json;
	struct cli_json j;
	bool kvm_bad, other_bad;
};

static void tell(struct report *r, enum verdict v, const char *what, const char *fix, const char *fmt, ...)
	VMC_PRINTF(5, 6);

static void tell(struct report *r, enum verdict v, const char *what, const char *fix, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "note", "MISSING" };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->json) {
		cli_json_open(&r->j, NULL, '{');
		cli_json_text(&r->j, "what", what);
		cli_json_text(&r->j, "verdict", v == BAD ? "missing" : words[v]);
		cli_json_text(&r->j, "text", text);
		cli_json_text(&r->j, "fix", fix ? fix : "");
		cli_json_close(&r->j, '}');
		return;
	}
	printf("%-8s %-13s ", words[v], what);
	cli_clean(stdout, text);
	putchar('\n');
	if (fix && *fix)
		printf("%-8s %-13s fix: %s\n", "", "", fix);
}

/* ---- CPU and module ---- */

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p = list;

	while ((p = strstr(p, word))) {
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
		p += len;
	}
	return false;
}

enum { CPU_VMX = 1, CPU_SVM = 2, CPU_GUEST = 4 };

static unsigned cpu_flags(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[8192];
	unsigned flags = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "flags", 5) != 0)
			continue;
		flags = (has_word(line, "vmx") ? CPU_VMX : 0) | (has_word(line, "svm") ? CPU_SVM : 0) |
			(has_word(line, "hypervisor") ? CPU_GUEST : 0);
		break;
	}
	if (f)
		fclose(f);
	return flags;
}

static bool module_there(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) == 0;
}

static void check_cpu(struct report *r, unsigned flags, bool usable)
{
	if (flags & (CPU_VMX | CPU_SVM))
		tell(r, GOOD, "CPU", NULL, "has %s", flags & CPU_VMX ? "VMX (Intel)" : "SVM (AMD)");
	else if (usable)
		tell(r, NOTE, "CPU", NULL, "shows neither vmx nor svm in /proc/cpuinfo, but KVM works all the same");
	else if (flags & CPU_GUEST)
		tell(r, BAD, "CPU", "turn on nested virtualization for this machine on its host",
			"shows neither vmx nor svm: this is a virtual machine without nested virtualization");
	else
		tell(r, BAD, "CPU", "turn on VT-x or AMD-V (SVM) in the firmware setup",
			"shows neither vmx nor svm in /proc/cpuinfo");
}

/* ---- /dev/kvm ---- */

static const char *user_name(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw ? pw->pw_name : "$USER";
}

/* Who may open it, and what lets this user. */
static void check_permission(struct report *r, const struct stat *st)
{
	const struct group *gr = getgrgid(st->st_gid);
	char fix[512];

	if ((st->st_mode & 0060) == 0060 && gr && st->st_gid != 0)
		snprintf(fix, sizeof(fix), "sudo usermod -aG %s %s   (then log in anew, or: newgrp %s)", gr->gr_name,
			user_name(), gr->gr_name);
	else
		snprintf(fix, sizeof(fix), "sudo setfacl -m u:%s:rw /dev/kvm   (until the next boot; for good, a udev rule "
			"KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0660\" and membership of that group)", user_name());
	tell(r, BAD, "permission", fix, "%s may not open /dev/kvm: it belongs to uid %u, group %s, mode %04o", user_name(),
		(unsigned)st->st_uid, gr ? gr->gr_name : "?", (unsigned)(st->st_mode & 07777));
}

static void check_missing(struct report *r, unsigned flags)
{
	const char *module = flags & CPU_SVM ? "kvm_amd" : "kvm_intel";
	char fix[64];

	snprintf(fix, sizeof(fix), "sudo modprobe %s", module);
	if (module_there("kvm") && !module_there("kvm_intel") && !module_there("kvm_amd"))
		tell(r, BAD, "/dev/kvm", fix, "is not there: the module kvm is loaded, the one for this CPU is not");
	else if (!module_there("kvm"))
		tell(r, BAD, "/dev/kvm", fix, "is not there: KVM is not loaded");
	else
		tell(r, BAD, "/dev/kvm", "in a container, give it the device (docker run --device /dev/kvm)",
			"is not there, though KVM is loaded");
}

static void check_capabilities(struct report *r, const struct vmc_host_info *host)
{
	static const char *const wanted[] = { "irqfd", "ioeventfd", "immediate-exit", "readonly-mem", "msi" };
	char missing[256] = "", more[512] = "";
	uint32_t i, k;

	for (i = 0; i < host->ncaps; i++) {
		bool needed = false;

		for (k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++)
			needed = needed || !strcmp(wanted[k], host->caps[i].name);
		if (needed && !host->caps[i].present)
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), " %s", host->caps[i].name);
		else if (!host->caps[i].present)
			snprintf(more + strlen(more), sizeof(more) - strlen(more), " %s", host->caps[i].name);
	}
	if (missing[0])
		tell(r, BAD, "capabilities", "a newer kernel", "this KVM lacks:%s", missing);
	else
		tell(r, GOOD, "capabilities", NULL, "all that is needed; up to %d vCPUs, %d memory slots%s%s", host->max_vcpus,
			host->max_memslots, more[0] ? "; optional ones it lacks:" : "", more);
	r->kvm_bad = r->kvm_bad || missing[0];
}

static void check_kvm(struct report *r)
{
	unsigned flags = cpu_flags();
	struct vmc_host_info host;
	char err[VMC_MSG_SIZE];
	struct stat st;

	if (vmc_check_host(&host, err, sizeof(err)) < 0) {
		tell(r, BAD, "vitrine-vm", "install vitrine whole", "%s", err);
		r->other_bad = true;
		return;
	}
	tell(r, strcmp(host.version, PACKAGE_VERSION) ? NOTE : GOOD, "vitrine-vm", NULL, "%s, version %s (this is %s)",
		host.program, host.version, PACKAGE_VERSION);
	check_cpu(r, flags, host.usable);
	r->kvm_bad = !host.usable;
	if (host.usable) {
		tell(r, GOOD, "/dev/kvm", NULL, "opens, KVM API %d", host.api_version);
		check_capabilities(r, &host);
	} else if (stat("/dev/kvm", &st) < 0) {
		check_missing(r, flags);
	} else if (host.error == EACCES || host.error == EPERM) {
		check_permission(r, &st);
	} else {
		tell(r, BAD, "/dev/kvm", host.error == EBUSY ? "end what uses it: sudo lsof /dev/kvm, or another hypervisor "
			"(VirtualBox, VMware) that holds VMX" : NULL, "is there but cannot be used: %s", host.message);
	}
}

/* ---- the rest ---- */

static void check_terminal(struct report *r)
{
	const char *term = getenv("TERM"), *codeset;
	int error = 0, colors;

	setlocale(LC_ALL, "");
	codeset = nl_langinfo(CODESET);
	if (!isatty(STDOUT_FILENO) && !r->json)
		tell(r, NOTE, "terminal", NULL, "standard output is none");
	if (!term || setupterm(term, STDOUT_FILENO, &error) != OK) {
		tell(r, NOTE, "terminal", "export TERM=xterm-256color (or what yours is)",
			"TERM=%s is not known: the workstation cannot start", term ? term : "");
		return;
	}
	colors = tigetnum("colors");
	tell(r, colors >= 256 ? GOOD : NOTE, "terminal", colors >= 256 ? NULL : "TERM=xterm-256color, if yours can",
		"%s, %d colours", term, colors > 0 ? colors : 0);
	tell(r, strcmp(codeset, "UTF-8") ? NOTE : GOOD, "characters",
		strcmp(codeset, "UTF-8") ? "export LC_ALL=C.UTF-8" : NULL, "%s%s", codeset,
		strcmp(codeset, "UTF-8") ? ": lines and bars are drawn in ASCII" : "");
}

static void check_folders(struct report *r)
{
	char path[4096], err[VMC_MSG_SIZE];

	if (vmc_path_runtime(path, sizeof(path), err, sizeof(err)) < 0) {
		tell(r, BAD, "runtime", NULL, "%s", err);
		r->other_bad = true;
	} else {
		tell(r, GOOD, "runtime", NULL, "%s", path);
	}
	if (vmc_path_state(path, sizeof(path), err, sizeof(err)) < 0 || access(path, W_OK) < 0)
		tell(r, NOTE, "snapshots", "make the folder writable, or set XDG_STATE_HOME", "cannot be kept in %s", path);
	else
		tell(r, GOOD, "snapshots", NULL, "%s", path);
	if (vmc_path_config(path, sizeof(path), err, sizeof(err)) == 0)
		tell(r, GOOD, "definitions", NULL, "%s/vms%s", path, access(path, F_OK) < 0 ? " (not there yet)" : "");
}

int cli_check(int argc, char **argv)
{
	enum { JSON };
	struct report r = { .j.f = stdout };
	struct utsname un;
	struct cli_call call;
	int status;

	if (!cli_parse("check", argc, argv, &call, &status))
		return status;
	r.json = call.value[JSON] != NULL;
	if (r.json)
		cli_json_open(&r.j, NULL, '{');
	if (r.json)
		cli_json_open(&r.j, "checks", '[');
	if (uname(&un) == 0)
		tell(&r, GOOD, "host", NULL, "%s %s on %s", un.sysname, un.release, un.machine);
	check_kvm(&r);
	check_folders(&r);
	check_terminal(&r);
	if (r.json) {
		cli_json_close(&r.j, ']');
		cli_json_bool(&r.j, "ready", !r.kvm_bad && !r.other_bad);
		cli_json_close(&r.j, '}');
	} else {
		puts(r.kvm_bad ? "not ready: KVM cannot be used" : r.other_bad ? "not ready" : "ready");
	}
	return r.kvm_bad ? CLI_NO_KVM : r.other_bad ? CLI_FAILED : CLI_OK;
}
