/*
 * cmds_qemu.c - the commands that QEMU has, with its names, arguments and reply shapes (QEMU 7.2
 * qapi). Main thread.
 */
#include "config.h"

#include "vmhost/cmds.h"
#include "vmhost/control.h"
#include "vmhost/dirtyrate.h"
#include "vmhost/host.h"
#include "vmhost/net.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static json_t *empty(void)
{
	return json_object();
}

static json_t *cmd_capabilities(struct qmp_call *call)
{
	if (json_array_size(json_object_get(call->args, "enable")))
		return qmp_fail(call, "no capability can be enabled");
	conn_negotiated(call->conn);
	return empty();
}

static json_t *cmd_commands(struct qmp_call *call)
{
	const struct qmp_command *const *tables = host_commands();
	json_t *list = json_array();

	for (size_t i = 0; tables[i]; i++)
		for (const struct qmp_command *c = tables[i]; c->name; c++)
			json_array_append_new(list, json_pack("{s:s}", "name", c->name));
	return list;
}

json_t *host_version_json(void)
{
	int major = 0, minor = 0, micro = 0;

	sscanf(PACKAGE_VERSION, "%d.%d.%d", &major, &minor, &micro);
	return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", major, "minor", minor,
		"micro", micro, "package", "vitrine " PACKAGE_VERSION);
}

static json_t *cmd_version(struct qmp_call *call)
{
	return host_version_json();
}

static json_t *cmd_set_link(struct qmp_call *call)
{
	const char *name = qmp_string(call, "name", "");
	int rc = nets_set_link(call->host->nets, name, json_is_true(json_object_get(call->args, "up")));

	if (rc == 0)
		return empty();
	if (rc == -EPIPE)
		return qmp_fail(call, "%.64s: the processes of its network have gone, and this VM cannot make "
				      "others: take a snapshot and start the VM from it, or start it anew", name);
	call->class = "DeviceNotFound"; /* as QEMU does */
	return qmp_fail(call, "Device '%.64s' not found; x-network lists them", name);
}

static json_t *cmd_name(struct qmp_call *call)
{
	return json_pack("{s:s}", "name", call->host->def.name);
}

static json_t *cmd_status(struct qmp_call *call)
{
	const char *status = host_status(call->host);

	return json_pack("{s:s, s:b, s:b}", "status", status, "running",
		strcmp(status, "running") == 0, "singlestep", 0);
}

static json_t *cmd_stop(struct qmp_call *call)
{
	return host_stop(call->host, call->error, sizeof(call->error)) < 0 ? NULL : empty();
}

static json_t *cmd_cont(struct qmp_call *call)
{
	return host_cont(call->host, call->error, sizeof(call->error)) < 0 ? NULL : empty();
}

static json_t *cmd_reset(struct qmp_call *call)
{
	return host_reset(call->host, false, call->error, sizeof(call->error)) < 0 ? NULL : empty();
}

static json_t *cmd_powerdown(struct qmp_call *call)
{
	if (vmc_vm_state(call->host->vm) != VMC_RUNNING)
		return qmp_fail(call, "the VM is not running: nobody would see the power button");
	if (!machine_powerdown(call->host->machine))
		return qmp_fail(call, "the guest does not listen to the ACPI power button; shut it down from "
				      "inside, or quit");
	control_event(call->host->control, "POWERDOWN", NULL);
	return empty();
}

static json_t *cmd_quit(struct qmp_call *call)
{
	host_quit(call->host, "host-qmp-quit");
	return empty();
}

static json_t *cmd_cpus(struct qmp_call *call)
{
	uint32_t n = vmc_vcpu_count(call->host->vm);
	json_t *list = json_array();
	char path[40];

	for (uint32_t i = 0; i < n; i++) {
		struct vmc_vcpu_stats st;

		vmc_vcpu_stats(vmc_vcpu_get(call->host->vm, i), &st);
		snprintf(path, sizeof(path), "/machine/cpu[%u]", i);
		json_array_append_new(list,
			json_pack("{s:i, s:I, s:s, s:s, s:{}}", "cpu-index", (int)i, "thread-id",
				(json_int_t)st.tid, "qom-path", path, "target", "x86_64", "props"));
	}
	return list;
}

/* RFC 9562 §5.8: version 8, made from the name, so that a VM keeps its UUID. */
static json_t *cmd_uuid(struct qmp_call *call)
{
	XXH128_hash_t hash = XXH3_128bits(call->host->def.name, strlen(call->host->def.name));
	char text[48];

	snprintf(text, sizeof(text), "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(hash.high64 >> 32),
		(unsigned)(hash.high64 >> 16 & 0xffff), (unsigned)(hash.high64 & 0xfff),
		(unsigned)(hash.low64 >> 48 & 0x3fff) | 0x8000,
		(unsigned long long)(hash.low64 & 0xffffffffffffull));
	return json_pack("{s:s}", "UUID", text);
}

static json_t *cmd_pmemsave(struct qmp_call *call)
{
	return qmp_fail(call, "the VM's process opens no files; read memory with x-read-memory");
}

static json_t *cmd_nmi(struct qmp_call *call)
{
	uint32_t n = vmc_vcpu_count(call->host->vm);

	for (uint32_t i = 0; i < n; i++)
		if (vmc_vcpu_nmi(vmc_vcpu_get(call->host->vm, i)) < 0)
			return qmp_fail(call, "vCPU %u: %s", i, vmc_error(call->host->vm));
	return empty();
}

static json_t *cmd_memory_size(struct qmp_call *call)
{
	return json_pack("{s:I}", "base-memory", (json_int_t)vmc_mem_size(call->host->vm));
}

static json_t *cmd_kvm(struct qmp_call *call)
{
	return json_pack("{s:b, s:b}", "enabled", 1, "present", 1);
}

static json_t *cmd_calc_dirty_rate(struct qmp_call *call)
{
	uint64_t seconds, pages;

	if (!qmp_u64(call, "calc-time", 1, 1, 60, &seconds) ||
		!qmp_u64(call, "sample-pages", 0, 0, 1 << 20, &pages))
		return NULL;
	return dirty_rate_start(call->host, (unsigned)seconds, call->error, sizeof(call->error)) < 0
		       ? NULL
		       : empty();
}

static json_t *cmd_query_dirty_rate(struct qmp_call *call)
{
	return dirty_rate_query(call->host);
}

static json_t *cmd_block(struct qmp_call *call)
{
	return disks_query(call->host);
}

static json_t *cmd_blockstats(struct qmp_call *call)
{
	return disks_stats(call->host);
}

const struct qmp_command cmds_qemu[] = {
	{"qmp_capabilities", "enable?:a", cmd_capabilities},
	{"query-commands", "", cmd_commands},
	{"query-version", "", cmd_version},
	{"query-name", "", cmd_name},
	{"query-status", "", cmd_status},
	{"stop", "", cmd_stop},
	{"cont", "", cmd_cont},
	{"system_reset", "", cmd_reset},
	{"system_powerdown", "", cmd_powerdown},
	{"quit", "", cmd_quit},
	{"set_link", "name:s up:b", cmd_set_link},
	{"query-cpus-fast", "", cmd_cpus},
	{"query-uuid", "", cmd_uuid},
	{"pmemsave", "val:u size:u filename:s", cmd_pmemsave},
	{"inject-nmi", "", cmd_nmi},
	{"calc-dirty-rate", "calc-time:u sample-pages?:u mode?:s", cmd_calc_dirty_rate},
	{"query-dirty-rate", "", cmd_query_dirty_rate},
	{"query-memory-size-summary", "", cmd_memory_size},
	{"query-kvm", "", cmd_kvm},
	{"query-block", "", cmd_block},
	{"query-blockstats", "", cmd_blockstats},
	{NULL, NULL, NULL},
};

const struct qmp_command *const *host_commands(void)
{
	static const struct qmp_command *const tables[] = {
		cmds_qemu, cmds_own, cmds_snapshot, cmds_balloon, NULL};

	return tables;
}
