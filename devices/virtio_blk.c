/*
 * virtio_blk.c - a disk: requests of one queue, checked in virtio_blk_req.c and done by block.c.
 *
 * Spec: virtio 1.2 §5.2. FLUSH, CONFIG_WCE, BLK_SIZE, SEG_MAX, TOPOLOGY, RO, DISCARD, WRITE_ZEROES
 * and GET_ID; one queue. Data goes between the image and guest memory without a copy in between.
 *
 * Threads: queue and completions on the main loop, configuration and reset on vCPU threads; device
 * lock held. A reset waits for what is under way: the host may not write into memory that the
 * guest uses for something else afterwards. So does a pause. A request that the host failed can be
 * kept: only its head is remembered, and the chain is read and checked again when the VM goes on.
 */
#include "devices/virtio_blk_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURN_CHAINS = 256 };

static struct blk_req *req_new(struct blk *b)
{
	struct blk_req *r = b->free;

	if (r) {
		b->free = r->next;
		return r;
	}
	r = b->nreqs < QUEUE ? malloc(sizeof(*r)) : NULL;
	b->nreqs += r != NULL;
	return r;
}

void virtio_blk_req_free(struct blk *b, struct blk_req *r)
{
	r->next = b->free;
	b->free = r;
}

/* Chains with the device: under way, kept, or being looked at. */
static bool full(const struct blk *b)
{
	return block_inflight(b->block) + b->nkept >= b->v.vq[0].size;
}

static void blk_kick(struct vdev *v, unsigned queue)
{
	struct blk *b = blk(v);
	struct virtq *q = &v->vq[0];
	unsigned chains = TURN_CHAINS;
	struct blk_req *r;

	(void)queue;
	virtq_notify_off(q);
	while (chains) {
		int rc = virtq_peek(q, &b->chain);

		if (rc == 0 && virtq_notify_on(q))
			rc = virtq_peek(q, &b->chain); /* it came in between */
		if (rc != 1)
			break;
		if (full(b)) {
			virtq_break(q, "queue 0: more requests than the queue holds");
			break;
		}
		r = req_new(b);
		if (!r) {
			b->starved = true; /* no memory: looked at again with the next completion */
			break;
		}
		virtq_take(q);
		virtio_blk_handle(b, r);
		chains--;
	}
	block_submit(b->block);
	vdev_used(v, 0);
	if (!chains || (b->starved && !block_inflight(b->block)))
		v->transport->requeue(v, 0);
}

/* ---- what comes back ---- */

static const char *op_name(enum block_op op)
{
	static const char *const names[] = {
		[BLOCK_READ] = "read",       [BLOCK_WRITE] = "write",
		[BLOCK_FLUSH] = "flush",     [BLOCK_DISCARD] = "discard",
		[BLOCK_ZEROES] = "write-zeroes",
	};

	return names[op];
}

/* Read data came from outside the vCPUs: the pages are dirty. */
static void mark_read(struct blk *b, const struct blk_req *r)
{
	const struct virtq_chain *c = &r->chain;

	for (unsigned i = c->nout; i < c->nout + c->nin; i++)
		vmc_mem_mark_dirty(b->v.vm, c->seg[i].gpa, c->seg[i].len);
}

/* Return: true when the request is kept. A flush after one that failed can never be good: it is
 * told to the guest. */
static bool failed(struct blk *b, struct blk_req *r, int rc)
{
	bool lost = r->io.op == BLOCK_FLUSH && b->stats.error && b->stats.failed[DISK_FLUSHES] &&
		    block_flush_lost(b->block);
	struct disk_error e = {
		.disk = b->number,
		.op = op_name(r->io.op),
		.write = r->io.op != BLOCK_READ,
		.off = r->io.off,
		.len = r->io.len,
		.error = -rc,
		.kept = b->cfg.keep_failed && !lost,
	};

	b->stats.failed[r->kind]++;
	b->stats.error = -rc;
	if (e.kept)
		b->kept[b->nkept++] = r->chain.head;
	if (b->events.error)
		b->events.error(b->events.arg, &e);
	return e.kept;
}

static void blk_done(void *arg, struct block_io *io, int rc)
{
	struct blk_req *r = (struct blk_req *)io; /* its first member */
	struct blk *b = arg;

	if (r->io.op == BLOCK_READ)
		mark_read(b, r); /* also what a failed or forgotten one brought */
	if (!b->dropping && rc < 0 && failed(b, r, rc)) {
		virtio_blk_req_free(b, r);
		return;
	}
	if (!b->dropping) {
		b->stats.time_ns[r->kind] += now_ns() - r->began_ns;
		if (rc == 0) {
			b->stats.done[r->kind]++;
			b->stats.bytes[r->kind] += r->bytes;
		}
		virtio_blk_give_back(b, &r->chain, rc < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK,
			r->io.op == BLOCK_READ ? (uint32_t)r->bytes : 0);
	}
	virtio_blk_req_free(b, r);
}

static void blk_batch_end(void *arg)
{
	struct blk *b = arg;

	if (!b->dropping)
		vdev_used(&b->v, 0);
	if (b->starved) {
		b->starved = false;
		b->v.transport->requeue(&b->v, 0);
	}
}

/* ---- life ---- */

/* §5.2.4. */
static void blk_config(struct vdev *v, void *config)
{
	const struct blk *b = blk(v);
	const struct virtio_blk_config c = {
		.capacity = b->sectors,
		.seg_max = QUEUE - 2, /* a chain has header and status too */
		.blk_size = DISK_SECTOR,
		.physical_block_exp = 3, /* the host's page cache works with 4 KiB */
		.min_io_size = 8,
		.wce = b->wce,
		.max_discard_sectors = MAX_DISCARD,
		.max_discard_seg = 1,
		.discard_sector_alignment = 8,
		.max_write_zeroes_sectors = MAX_ZEROES,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1,
	};

	memcpy(config, &c, v->ops->config_len);
}

static void blk_config_write(struct vdev *v, uint32_t off, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	uint32_t at = offsetof(struct virtio_blk_config, wce);

	if (v->features & VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE) && off <= at && at - off < len)
		blk(v)->wce = bytes[at - off] & 1;
}

/* Whatever is under way is forgotten, once it is over. */
static void drop_all(struct blk *b)
{
	b->dropping = true;
	block_drain(b->block);
	b->dropping = false;
	b->nkept = 0;
}

static void blk_reset(struct vdev *v)
{
	drop_all(blk(v));
	blk(v)->wce = true;
}

static void blk_queue_reset(struct vdev *v, unsigned queue)
{
	(void)queue;
	drop_all(blk(v));
}

static void blk_quiesce(struct vdev *v)
{
	block_drain(blk(v)->block);
}

/* The kept ones once more. */
static void blk_resume(struct vdev *v)
{
	struct blk *b = blk(v);
	uint16_t n = b->nkept, heads[QUEUE];

	memcpy(heads, b->kept, sizeof(heads));
	b->nkept = 0;
	for (unsigned i = 0; i < n; i++) {
		struct blk_req *r = req_new(b);

		if (!r) { /* no memory: they stay for the next resume */
			b->kept[b->nkept++] = heads[i];
			continue;
		}
		if (virtq_chain_at(&v->vq[0], heads[i], &b->chain) < 0) {
			virtio_blk_req_free(b, r);
			return;
		}
		virtio_blk_handle(b, r);
	}
	block_submit(b->block);
	vdev_used(v, 0);
}

static void blk_describe(const struct vdev *v, char *note, size_t size)
{
	const struct blk *b = blk(v);
	const char *name = strrchr(b->cfg.path, '/');
	uint64_t mib = b->sectors >> 11;

	snprintf(note, size, "%llu %s%s%s, %llu reads %llu writes, %.30s%s%.20s",
		(unsigned long long)(mib ? mib : b->sectors / 2), mib ? "MiB" : "KiB",
		b->cfg.read_only ? " read-only" : "", b->nkept ? ", waits for the host" : "",
		(unsigned long long)b->stats.done[DISK_READS],
		(unsigned long long)b->stats.done[DISK_WRITES], name ? name + 1 : b->cfg.path,
		*b->cfg.serial ? ", serial " : "", b->cfg.serial);
}

static void blk_save(struct vdev *v, struct vmc_out *out)
{
	const struct blk *b = blk(v);

	vmc_out_u64(out, b->sectors);
	vmc_out_u8(out, b->cfg.read_only);
	vmc_out_u8(out, b->wce);
	vmc_out_u16(out, b->nkept);
	for (unsigned i = 0; i < b->nkept; i++)
		vmc_out_u16(out, b->kept[i]);
}

static int blk_load(struct vdev *v, struct vmc_in *in)
{
	struct blk *b = blk(v);
	uint64_t sectors = vmc_in_u64(in);
	bool ro = vmc_in_u8(in), wce = vmc_in_u8(in);
	uint16_t n = vmc_in_u16(in), kept[QUEUE];
	int rc;

	if (!in->error && sectors != b->sectors)
		return vmc_in_fail(in, -EBADMSG, "its disk has %llu sectors, this one %llu",
			(unsigned long long)sectors, (unsigned long long)b->sectors);
	if (!in->error && ro != b->cfg.read_only)
		return vmc_in_fail(in, -EBADMSG, "its disk is %s", ro ? "read-only" : "writable");
	if (!in->error && n > QUEUE)
		return vmc_in_fail(in, -EBADMSG, "%u requests under way", n);
	for (unsigned i = 0; i < n && !in->error; i++)
		kept[i] = vmc_in_u16(in);
	rc = vmc_in_end(in);
	if (rc < 0)
		return rc;
	drop_all(b); /* of the state that is replaced */
	b->wce = wce;
	b->nkept = n;
	memcpy(b->kept, kept, n * sizeof(kept[0]));
	return 0;
}

static void blk_detach(struct vdev *v)
{
	block_detach(blk(v)->block);
}

static void blk_destroy(struct vdev *v)
{
	struct blk *b = blk(v);
	struct blk_req *r;

	b->dropping = true;
	block_free(b->block);
	while ((r = b->free)) {
		b->free = r->next;
		free(r);
	}
	free(b);
}

#define FEATURES                                                                                   \
	(VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |                    \
		VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) |               \
		VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE) | VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) |           \
		VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES))

static const struct vdev_ops virtio_blk_ops = {
	.name = "virtio-blk",
	.virtio_id = 2,        /* §5.2.1 */
	.pci_class = 0x010000, /* mass storage */
	.nqueues = 1,
	.queue_size = QUEUE,
	.features = FEATURES,
	.config_len = 60, /* up to write_zeroes_may_unmap and its padding */
	.config_read = blk_config,
	.config_write = blk_config_write,
	.kick = blk_kick,
	.reset = blk_reset,
	.queue_reset = blk_queue_reset,
	.quiesce = blk_quiesce,
	.resume = blk_resume,
	.describe = blk_describe,
	.save = blk_save,
	.load = blk_load,
	.detach = blk_detach,
	.destroy = blk_destroy,
};

void virtio_blk_info(const struct vdev *v, struct disk_info *info)
{
	const struct blk *b = blk(v);

	*info = b->stats;
	info->path = b->cfg.path;
	info->serial = b->cfg.serial;
	info->engine = block_engine_name(b->block);
	info->size = b->sectors * DISK_SECTOR;
	info->read_only = b->cfg.read_only;
	info->writeback = virtio_blk_writeback(b);
	info->inflight = block_inflight(b->block);
	info->kept = b->nkept;
}

struct block *virtio_blk_block(struct vdev *v)
{
	return blk(v)->block;
}

int virtio_blk_new(struct vmc_vm *vm, struct event_base *base, const struct disk_config *cfg,
	unsigned number, const struct disk_events *events, struct vdev **out)
{
	struct blk *b = calloc(1, sizeof(*b));
	struct block_config bc = {
		.vm = vm,
		.base = base,
		.fd = cfg->fd,
		.depth = QUEUE,
		.engine = cfg->engine,
		.done = blk_done,
		.batch_end = blk_batch_end,
		.arg = b,
	};
	int rc;

	if (!b)
		return vmc_fail(vm, -ENOMEM, "no memory for a disk");
	vdev_init(&b->v, &virtio_blk_ops, vm);
	if (cfg->read_only) {
		b->v.offered |= VIRTIO_BIT(VIRTIO_BLK_F_RO);
		b->v.offered &= ~(VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) |
				  VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	}
	b->cfg = *cfg;
	if (!b->cfg.serial)
		b->cfg.serial = "";
	if (events)
		b->events = *events;
	b->number = number;
	b->sectors = cfg->size / DISK_SECTOR;
	b->wce = true;
	rc = block_new(&bc, &b->block);
	if (rc < 0) {
		free(b);
		return rc;
	}
	*out = &b->v;
	return 0;
}
