/*
 * client.h - find, start, attach to and talk to running VMs: the control protocol's client side
 * (docs/protocol.md), typed, so that no user of it needs to read JSON.
 *
 * No thread is made and nothing blocks unless the name ends in _wait: the caller polls the
 * connection's descriptor in its own loop. One connection belongs to one thread.
 */
#ifndef VMCORE_CLIENT_H
#define VMCORE_CLIENT_H

#include <vmcore/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMC_NAME_SIZE 64
#define VMC_MSG_SIZE  512

/* ---- where things are (paths.c) ---- */

/** vmc_path_runtime() - $XDG_RUNTIME_DIR/vitrine, or /tmp/vitrine-UID; made 0700 and checked (owner, mode).
 * The others: $XDG_STATE_HOME/vitrine (made), $XDG_CONFIG_HOME/vitrine (need not exist).
 * Return: 0 or -errno with @err. */
VMC_API int vmc_path_runtime(char *out, size_t size, char *err, size_t err_size);
VMC_API int vmc_path_state(char *out, size_t size, char *err, size_t err_size);
VMC_API int vmc_path_config(char *out, size_t size, char *err, size_t err_size);
/** vmc_path_control() - the control socket of a VM. -ENAMETOOLONG: longer than a socket's path may be. */
VMC_API int vmc_path_control(const char *vm, char *out, size_t size);
/** vmc_path_console() - the console socket of a VM; @stream 0: console (hvc0), 1: console1 (ttyS0). */
VMC_API int vmc_path_console(const char *vm, unsigned stream, char *out, size_t size);
VMC_API int vmc_path_log(const char *vm, char *out, size_t size);
VMC_API bool vmc_name_ok(const char *name);

/* ---- which VMs there are (list.c) ---- */

struct vmc_list_entry {
	char name[VMC_NAME_SIZE];
	bool running;  /* a vitrine-vm process holds it and answers */
	bool defined;  /* there is a vms/NAME.cfg */
	int32_t pid;   /* 0 when not running */
	char config[256]; /* path of the definition, "" when none */
};
/** vmc_list() - running and defined VMs, by name; stale runtime folders are skipped. free() @out. */
VMC_API int vmc_list(struct vmc_list_entry **out, size_t *count, char *err, size_t err_size);
/** vmc_list_with() - the same for a caller who is attached to some: @known(@arg, NAME) true: it runs, do not connect to it
 * to find out; its pid is 0 then. */
typedef bool vmc_list_known(void *arg, const char *name);
VMC_API int vmc_list_with(vmc_list_known *known, void *arg, struct vmc_list_entry **out, size_t *count, char *err,
	size_t err_size);

/* ---- starting one (spawn.c) ---- */

struct vmc_spawn {
	const char *vitrine_vm; /* program; NULL: beside the caller's executable, then libexecdir, then PATH */
	const char *name;	/* required */
	const char *const *argv; /* further vitrine-vm options, NULL-terminated; may be NULL */
};
/**
 * vmc_spawn() - start vitrine-vm as a process of its own (setsid, stdio away) that outlives the caller.
 * @fd: out; becomes readable when it is up or has failed, then call vmc_spawn_result().
 */
VMC_API int vmc_spawn(const struct vmc_spawn *spawn, int *fd, char *err, size_t err_size);
/** vmc_spawn_result() - 0: it is up; -EAGAIN: not yet; else -errno with what vitrine-vm said. Closes @fd
 * unless -EAGAIN. */
VMC_API int vmc_spawn_result(int fd, char *err, size_t err_size);
/** vmc_spawn_program() - where vitrine-vm is: what vmc_spawn() runs when not told. -ENOENT with @err. */
VMC_API int vmc_spawn_program(char *out, size_t size, char *err, size_t err_size);
VMC_API int vmc_spawn_wait(const struct vmc_spawn *spawn, int timeout_ms, char *err, size_t err_size);

/* ---- is this host ready (check.c) ---- */

#define VMC_HOST_CAPS 32
struct vmc_host_info {
	char program[512];  /* which vitrine-vm was asked */
	char version[32];
	char path[64];	    /* "/dev/kvm" */
	bool usable;
	int error;	    /* errno when not usable */
	char message[VMC_MSG_SIZE];
	int32_t api_version, max_vcpus, max_memslots;
	uint32_t ncaps;
	struct {
		char name[32];
		bool present;
	} caps[VMC_HOST_CAPS];
};
/** vmc_check_host() - ask vitrine-vm --check-host what KVM offers here; blocks for 10 s at most.
 * Return: 0 with @out filled (look at usable), or -errno when vitrine-vm cannot be asked. */
VMC_API int vmc_check_host(struct vmc_host_info *out, char *err, size_t err_size);

/* ---- samples (sample.c) ---- */

struct vmc_sample_cpu {
	enum vmc_run_state state;
	uint64_t cpu_ns; /* thread CPU time since start */
	uint64_t exits[VMC_EXIT_REASONS];
	bool has_regs;
	struct vmc_regs regs;
	struct vmc_sregs sregs;
	uint8_t code[16]; /* instruction bytes at RIP, where readable */
	uint32_t code_len;
	uint64_t kernel_base; /* where a Linux kernel is mapped whose symbols the VM's process did not find; 0 */
	char symbol[96];  /* the kernel's function at RIP, as the VM's process knows it; "": it does not */
};

struct vmc_sample_heat {
	uint64_t start, size; /* gpa range the cells cover */
	uint32_t cells;
	uint64_t cell_pages;  /* 4 KiB pages a cell */
	const uint8_t *heat;  /* 0: untouched since the last sample; 1..15: share of the cell's pages written; 16: not memory */
	uint64_t dirty_pages; /* in the whole VM since the last sample */
	uint64_t interval_us, harvest_us;
};

struct vmc_map_entry {
	char kind[16]; /* "ram" "rom" "mmio" "pio" "hole" "irqchip"; "e820" "initrd" "kernel": what the guest makes of it */
	char name[48];
	uint64_t start, size;
	int32_t slot; /* -1: no memslot */
	bool read_only, dirty_log;
	int64_t resident; /* bytes held by the host, -1: not memory */
	uint64_t accesses; /* mmio and pio: exits served */
	uint64_t balloon;  /* bytes of it in the memory balloon */
};

/* One sample of a subscription; borrowed, valid during the callback. Absent parts are NULL / 0. */
struct vmc_sample {
	uint64_t seq;
	uint64_t time_us; /* the VM process's monotonic clock */
	enum vmc_state state;
	uint64_t rss_bytes, process_cpu_us; /* of the VM process; 0 when not asked */
	uint32_t ncpus;
	const struct vmc_sample_cpu *cpus;
	const struct vmc_sample_heat *heat;
	uint32_t nmap;
	const struct vmc_map_entry *map;
};

enum {
	VMC_SUB_STATS = 1 << 0, /* state, CPU time, exits (cheap, no kick) */
	VMC_SUB_REGS  = 1 << 1, /* registers: kicks every vCPU for each sample */
	VMC_SUB_HEAT  = 1 << 2, /* dirty heat: switches dirty logging on */
	VMC_SUB_MAP   = 1 << 3, /* memory map with residency */
};
struct vmc_subscription {
	uint32_t topics;      /* 0: unsubscribe */
	uint32_t interval_ms; /* 20..60000 */
	uint32_t registers_ms; /* registers of a running VM no more often than this; 0: with every sample */
	uint64_t heat_start, heat_size; /* gpa range, page multiples; size 0: all of memory */
	uint32_t heat_cells;  /* 1..65536 */
};

/* ---- replies ---- */

struct vmc_snapshot_info {
	char id[VMC_NAME_SIZE], parent[VMC_NAME_SIZE], name[VMC_NAME_SIZE];
	int64_t time_s;	   /* when taken, UNIX time */
	uint64_t ram_bytes, disk_bytes; /* RAM of the VM; what the snapshot takes on disk */
	bool current;	   /* the VM's state descends from this one last */
	char problem[128]; /* "": loadable; else what is wrong with it */
};

struct vmc_vm_info {
	char name[VMC_NAME_SIZE];
	enum vmc_state state;
	char reason[VMC_MSG_SIZE]; /* why stopped or crashed */
	int32_t pid;
	uint32_t vcpus;
	uint64_t ram_bytes;
	char kernel[256], cmdline[512];
	uint16_t cols, rows; /* hvc0's size */
	uint64_t uptime_ms;
	bool sandboxed;
	bool panicked; /* the guest's kernel has said so */
};

/* ---- a connection (conn.c) ---- */

struct vmc_conn;

struct vmc_conn_ops {
	void (*ready)(void *arg); /* greeted; commands may have been queued before */
	void (*event)(void *arg, const char *name, const char *json_data); /* STOP RESUME SHUTDOWN RESET GUEST_PANICKED JOB_STATUS_CHANGE X_... */
	void (*sample)(void *arg, const struct vmc_sample *sample);
	void (*closed)(void *arg, const char *why); /* last call; vmc_conn_close() from here is fine */
};

/** vmc_conn_open() - connect to @vm's control socket and negotiate, without blocking. */
VMC_API int vmc_conn_open(const char *vm, const struct vmc_conn_ops *ops, void *arg,
	struct vmc_conn **out, char *err, size_t err_size);
VMC_API void vmc_conn_close(struct vmc_conn *conn);
/** vmc_conn_fd()/vmc_conn_poll_events() - poll this for these (POLLIN | POLLOUT). */
VMC_API int vmc_conn_fd(const struct vmc_conn *conn);
VMC_API short vmc_conn_poll_events(const struct vmc_conn *conn);
/** vmc_conn_process() - read, write and call back; when poll says so. After closed() was called: -EPIPE. */
VMC_API int vmc_conn_process(struct vmc_conn *conn);

/**
 * A reply: @rc 0 or -errno; @error the server's words when rc < 0; @json the "return" value as text.
 * Called exactly once a command, with -ECONNRESET when the connection ends first.
 */
typedef void vmc_reply_fn(void *arg, int rc, const char *error, const char *json);

/** vmc_conn_command() - any command; @args_json an object as text or NULL. @fn may be NULL. */
VMC_API int vmc_conn_command(struct vmc_conn *conn, const char *command, const char *args_json,
	vmc_reply_fn *fn, void *arg);
VMC_API int vmc_conn_subscribe(struct vmc_conn *conn, const struct vmc_subscription *sub,
	vmc_reply_fn *fn, void *arg);
VMC_API int vmc_conn_resize(struct vmc_conn *conn, uint16_t cols, uint16_t rows);
/** vmc_conn_read_memory() - guest memory, @len at most 64 KiB; present[i] is 0 where byte i cannot be read. */
typedef void vmc_memory_fn(void *arg, int rc, const char *error, uint64_t gpa, const uint8_t *data,
	const uint8_t *present, size_t len);
VMC_API int vmc_conn_read_memory(struct vmc_conn *conn, uint64_t gpa, size_t len, vmc_memory_fn *fn,
	void *arg);

/**
 * Jobs: snapshot save, load, delete. @progress now and then, @done once (rc 0 or -errno, error text).
 * Two of the same kind at once: the server refuses the second.
 */
struct vmc_job_ops {
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void (*done)(void *arg, int rc, const char *error);
};
VMC_API int vmc_conn_snapshot_save(struct vmc_conn *conn, const char *name, const struct vmc_job_ops *ops, void *arg);
VMC_API int vmc_conn_snapshot_load(struct vmc_conn *conn, const char *id, const struct vmc_job_ops *ops, void *arg);
VMC_API int vmc_conn_snapshot_delete(struct vmc_conn *conn, const char *id, const struct vmc_job_ops *ops, void *arg);

/* Parsing of replies that came through vmc_conn_command(). Return: 0 or -EPROTO. */
VMC_API int vmc_parse_vm_info(const char *json, struct vmc_vm_info *out);		  /* x-query-vm */
VMC_API int vmc_parse_snapshots(const char *json, struct vmc_snapshot_info **out, size_t *n); /* snapshot-list; free() */
VMC_API int vmc_parse_devices(const char *json, char **text_out); /* x-devices as readable lines; free() */
VMC_API int vmc_parse_registers(const char *json, struct vmc_sample_cpu *out); /* x-registers, x-step */
VMC_API int vmc_parse_memory_map(const char *json, struct vmc_map_entry **out, size_t *n); /* x-memory-map; free() */
struct vmc_console_info {
	char name[16];	       /* "hvc0" */
	uint64_t history, total; /* bytes kept for those who attach; bytes ever */
	uint32_t clients;
	bool stalled;	       /* a reader is slow: the guest waits */
};
VMC_API int vmc_parse_console_info(const char *json, struct vmc_console_info *out, size_t max, size_t *n); /* x-console-info */

/** vmc_parse_translate() - the reply of x-translate. */
VMC_API int vmc_parse_translate(const char *json, uint64_t *gpa);
/** vmc_parse_symbol() - the reply of x-symbol; @name may be NULL. */
VMC_API int vmc_parse_symbol(const char *json, uint64_t *addr, char *name, size_t size);
/** vmc_parse_memory() - the reply of x-read-memory; @present is 1 where @data is a byte, 0 where it cannot be
 * read. Both hold @max bytes; more in the reply is -EPROTO. */
VMC_API int vmc_parse_memory(const char *json, uint64_t *gpa, uint8_t *data, uint8_t *present, size_t max,
	size_t *len);

#define VMC_BALLOON_STATS 16
struct vmc_balloon {
	bool driver; /* the guest has one at work */
	uint64_t ram, wanted, actual; /* bytes: all of it; to be kept; kept, says the guest */
	uint64_t held, reported; /* bytes handed over; bytes of free pages told of, in all */
	uint64_t refused, repeated; /* pages */
	int64_t stats_time_s; /* since 1970; 0: never */
	size_t nstats;
	struct {
		char name[32]; /* "stat-free-memory" */
		uint64_t value;
	} stats[VMC_BALLOON_STATS];
};
VMC_API int vmc_parse_balloon(const char *json, struct vmc_balloon *out); /* x-balloon-stats */
/** vmc_parse_size() - as people write it: 256M, 256MiB, 2G, 4096, 0x1000. Return: 0, -EINVAL. */
VMC_API int vmc_parse_size(const char *text, uint64_t *out);

#define VMC_DEVICE_DESC_QUEUES 8
/* One device as x-devices tells it. */
struct vmc_device_desc {
	char id[32], model[32], where[16];
	uint32_t virtio_type; /* virtio 1.2 section 5, 0: not a virtio device */
	uint64_t offered, negotiated; /* feature bits */
	uint8_t status;	      /* virtio 1.2 section 2.1 */
	uint64_t address, length;
	bool pio;
	int32_t irq;	      /* -1: MSI only */
	bool broken;
	char note[96];
	char backend[512];    /* what it leads to on the host; "": it does not say */
	uint32_t nqueues;
	struct {
		bool ready;
		uint16_t size, avail, used; /* the running indices */
		uint64_t desc_address, avail_address, used_address;
		uint64_t kicks, interrupts;
	} queues[VMC_DEVICE_DESC_QUEUES];
};
/** vmc_parse_device_list() - x-devices, typed; free() @out. What is too long is cut, queues beyond 8 are left out. */
VMC_API int vmc_parse_device_list(const char *json, struct vmc_device_desc **out, size_t *n);

/** vmc_command_wait() - connect, one command, reply, close: for scripts. @json_out malloc()ed, may be NULL.
 * For the snapshot commands it waits for the job's end and calls @progress. */
VMC_API int vmc_command_wait(const char *vm, const char *command, const char *args_json, int timeout_ms,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, char **json_out, char *err,
	size_t err_size);

/* ---- symbols of a guest kernel (symbols.c; libelf) ---- */

struct vmc_symbols;
/** vmc_symbols_open() - the function symbols of an ELF file or a System.map. NULL: none readable. */
VMC_API struct vmc_symbols *vmc_symbols_open(const char *path);
/** vmc_symbols_beside() - of the System.map or vmlinux that belongs to a packed kernel, beside it or in
 * /usr/lib/debug. NULL: there is none, or (Debian) only words in its place. */
VMC_API struct vmc_symbols *vmc_symbols_beside(const char *kernel);
/** vmc_symbols_slide() - the kernel runs with its image at @base (KASLR): addresses from now on are those. */
VMC_API void vmc_symbols_slide(struct vmc_symbols *syms, uint64_t base);
VMC_API void vmc_symbols_close(struct vmc_symbols *syms);
/** vmc_symbols_find() - "paint+0x2c" into @out. Return: 0, -ENOENT. */
VMC_API int vmc_symbols_find(const struct vmc_symbols *syms, uint64_t addr, char *out, size_t size);
/** vmc_symbols_lookup() - the address of the symbol @name. Return: 0, -ENOENT. */
VMC_API int vmc_symbols_lookup(const struct vmc_symbols *syms, const char *name, uint64_t *addr);

#ifdef __cplusplus
}
#endif
#endif
