/*
 * fuzz_client.c - a connection whose VM process says anything: what a taken-over vitrine-vm could do to the
 * workstation. The first byte says in how large pieces it comes; commands and jobs wait for their replies.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmcore/client/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* what is handed out is looked at, so that the sanitizers see it */

static void on_sample(void *arg, const struct vmc_sample *s)
{
	uint32_t i;

	for (i = 0; i < s->ncpus; i++)
		sink += s->cpus[i].regs.rip + s->cpus[i].exits[0] + s->cpus[i].code_len;
	for (i = 0; s->heat && i < s->heat->cells; i++)
		sink += s->heat->heat[i];
	for (i = 0; i < s->nmap; i++)
		sink += strlen(s->map[i].name) + strlen(s->map[i].kind);
}

static void on_event(void *arg, const char *name, const char *json)
{
	sink += strlen(name) + strlen(json);
}

static void on_closed(void *arg, const char *why)
{
	sink += strlen(why);
}

static void on_reply(void *arg, int rc, const char *error, const char *json)
{
	struct vmc_snapshot_info *snapshots = NULL;
	struct vmc_device_desc *devices = NULL;
	struct vmc_console_info consoles[4];
	struct vmc_map_entry *map = NULL;
	struct vmc_sample_cpu cpu;
	struct vmc_balloon balloon;
	struct vmc_vm_info info;
	char *text = NULL;
	size_t n = 0;

	(*(unsigned *)arg)++;
	if (rc < 0)
		return;
	vmc_parse_vm_info(json, &info);
	vmc_parse_registers(json, &cpu);
	vmc_parse_console_info(json, consoles, 4, &n);
	vmc_parse_balloon(json, &balloon);
	if (vmc_parse_snapshots(json, &snapshots, &n) == 0)
		free(snapshots);
	if (vmc_parse_memory_map(json, &map, &n) == 0)
		free(map);
	if (vmc_parse_device_list(json, &devices, &n) == 0)
		free(devices);
	if (vmc_parse_devices(json, &text) == 0)
		free(text);
}

static void on_memory(void *arg, int rc, const char *error, uint64_t gpa, const uint8_t *data, const uint8_t *present,
	size_t len)
{
	size_t i;

	(*(unsigned *)arg)++;
	for (i = 0; i < len; i++)
		sink += data[i] + present[i];
}

static void on_done(void *arg, int rc, const char *error)
{
	(*(unsigned *)arg)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmc_conn_ops ops = { .sample = on_sample, .event = on_event, .closed = on_closed };
	static const struct vmc_job_ops job = { .done = on_done };
	unsigned calls = 0, asked = 0;
	struct vmc_conn *conn;
	size_t piece;
	int sv[2];

	if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) < 0)
		return 0;
	if (conn_open_fd("fuzz", sv[1], &ops, NULL, &conn) < 0)
		abort();
	asked += vmc_conn_command(conn, "x-query-vm", NULL, on_reply, &calls) == 0;	      /* id 2 */
	asked += vmc_conn_command(conn, "x-devices", NULL, on_reply, &calls) == 0;	      /* id 3 */
	asked += vmc_conn_read_memory(conn, 0x1000, 16, on_memory, &calls) == 0;	      /* id 4 */
	asked += vmc_conn_snapshot_save(conn, "x", &job, &calls) == 0;			      /* id 5 */
	piece = data[0] ? data[0] * 16u : 1;
	for (data++, size--; size > 0;) {
		size_t n = size < piece ? size : piece;

		if (send(sv[0], data, n, MSG_NOSIGNAL) != (ssize_t)n || vmc_conn_process(conn) < 0)
			break;
		data += n;
		size -= n;
	}
	vmc_conn_close(conn);
	close(sv[0]);
	if (calls != asked)
		abort(); /* every reply exactly once */
	return 0;
}
