/*
 * virtio_blk_req.c - a disk's requests: what the guest asked for, checked, and answered or sent to
 * block.c.
 *
 * Spec: virtio 1.2 §5.2.6. Data goes between the image and guest memory without a copy in between.
 * Threads: main loop, device lock held.
 */
#include "devices/virtio_blk_priv.h"

#include <string.h>

bool virtio_blk_writeback(const struct blk *b)
{
	if (!(b->v.features & VIRTIO_BIT(VIRTIO_BLK_F_FLUSH)))
		return false;
	return !(b->v.features & VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE)) || b->wce;
}

void virtio_blk_give_back(struct blk *b, const struct virtq_chain *c, uint8_t status, uint32_t data)
{
	struct virtq *q = &b->v.vq[0];

	virtq_write(q, c, c->in_len - 1, &status, 1);
	virtq_push(q, c->head, status == VIRTIO_BLK_S_OK ? data + 1 : 1);
}

static void refuse(struct blk *b, unsigned kind, uint8_t status)
{
	b->stats.invalid[kind]++;
	virtio_blk_give_back(b, &b->chain, status, 0);
}

/* Pointers to bytes [skip, skip + len) of @n segments. Memory is checked once more; it stays while
 * the request is under way, for only a stopped VM's changes. */
static int map(struct blk *b, struct blk_req *r, const struct virtq_seg *seg, unsigned n,
	uint32_t skip, uint32_t len, bool write)
{
	struct vmc_mem_window w = { .size = 0 };

	r->io.niov = 0;
	for (unsigned i = 0; i < n && len; i++) {
		uint32_t part = seg[i].len;
		void *p;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > len)
			part = len;
		p = vmc_mem_ptr_near(b->v.vm, &w, seg[i].gpa + skip, part, write);
		if (!p)
			return virtq_break(&b->v.vq[0], "queue 0: a buffer left memory");
		r->iov[r->io.niov++] = (struct iovec){ p, part };
		skip = 0;
		len -= part;
	}
	r->io.iov = r->iov;
	return 0;
}

static bool in_range(const struct blk *b, uint64_t sector, uint64_t n)
{
	return sector <= b->sectors && n <= b->sectors - sector;
}

/* Sends the request that was filled in on its way. */
static void go(struct blk *b, struct blk_req *r, unsigned kind, enum block_op op)
{
	r->kind = kind;
	r->io.op = op;
	r->io.durable = op != BLOCK_READ && op != BLOCK_FLUSH && !virtio_blk_writeback(b);
	r->began_ns = now_ns();
	memcpy(&r->chain, &b->chain,
		offsetof(struct virtq_chain, seg) +
			sizeof(b->chain.seg[0]) * (b->chain.nout + b->chain.nin));
	block_start(b->block, &r->io);
}

static void transfer(struct blk *b, struct blk_req *r, uint64_t sector, bool write)
{
	const struct virtq_chain *c = &b->chain;
	uint32_t len = write ? c->out_len - HEADER : c->in_len - 1;
	unsigned kind = write ? DISK_WRITES : DISK_READS;
	int rc;

	if (len % DISK_SECTOR || !in_range(b, sector, len / DISK_SECTOR) ||
		(write && b->cfg.read_only)) {
		refuse(b, kind, VIRTIO_BLK_S_IOERR);
		virtio_blk_req_free(b, r);
		return;
	}
	if (!len) {
		virtio_blk_give_back(b, c, VIRTIO_BLK_S_OK, 0);
		virtio_blk_req_free(b, r);
		return;
	}
	if (write)
		rc = map(b, r, c->seg, c->nout, HEADER, len, false);
	else
		rc = map(b, r, c->seg + c->nout, c->nin, 0, len, true);
	if (rc < 0) {
		virtio_blk_req_free(b, r);
		return;
	}
	r->io.off = sector * DISK_SECTOR;
	r->io.len = r->bytes = len;
	go(b, r, kind, write ? BLOCK_WRITE : BLOCK_READ);
}

/* Discard and write zeroes, §5.2.6: one range, as the configuration says. */
static void unmap(struct blk *b, struct blk_req *r, bool zeroes)
{
	struct virtio_blk_discard_write_zeroes range = { 0 };
	uint32_t most = zeroes ? MAX_ZEROES : MAX_DISCARD, allowed = zeroes ? 1 : 0;
	uint8_t status = VIRTIO_BLK_S_OK;

	virtq_read(&b->v.vq[0], &b->chain, HEADER, &range, sizeof(range));
	if (range.flags & ~allowed)
		status = VIRTIO_BLK_S_UNSUPP;
	else if (b->chain.out_len != HEADER + sizeof(range) || range.num_sectors > most ||
		 b->cfg.read_only || !in_range(b, range.sector, range.num_sectors))
		status = VIRTIO_BLK_S_IOERR;
	if (status == VIRTIO_BLK_S_OK && range.num_sectors) {
		r->io.off = range.sector * DISK_SECTOR;
		r->io.len = r->bytes = (uint64_t)range.num_sectors * DISK_SECTOR;
		r->io.unmap = range.flags & 1;
		go(b, r, zeroes ? DISK_WRITES : DISK_UNMAPS, zeroes ? BLOCK_ZEROES : BLOCK_DISCARD);
		return;
	}
	if (status == VIRTIO_BLK_S_OK)
		virtio_blk_give_back(b, &b->chain, status, 0);
	else
		refuse(b, DISK_UNMAPS, status);
	virtio_blk_req_free(b, r);
}

static void get_id(struct blk *b)
{
	char id[DISK_SERIAL_SIZE] = "";
	uint32_t room = b->chain.in_len - 1, n = room < sizeof(id) ? room : sizeof(id);

	memcpy(id, b->cfg.serial, strnlen(b->cfg.serial, sizeof(id)));
	virtq_write(&b->v.vq[0], &b->chain, 0, id, n);
	virtio_blk_give_back(b, &b->chain, VIRTIO_BLK_S_OK, n);
}

void virtio_blk_handle(struct blk *b, struct blk_req *r)
{
	struct virtio_blk_outhdr h;
	struct virtq *q = &b->v.vq[0];

	if (b->chain.out_len < HEADER || b->chain.in_len < 1) {
		virtq_break(q, "queue 0: a request without room for header or status");
		virtio_blk_req_free(b, r);
		return;
	}
	if (virtq_read(q, &b->chain, 0, &h, sizeof(h)) != sizeof(h)) {
		virtio_blk_req_free(b, r);
		return;
	}
	switch (h.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		transfer(b, r, h.sector, h.type == VIRTIO_BLK_T_OUT);
		return;
	case VIRTIO_BLK_T_FLUSH:
		r->io.off = r->io.len = r->bytes = 0;
		go(b, r, DISK_FLUSHES, BLOCK_FLUSH);
		return;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		unmap(b, r, h.type == VIRTIO_BLK_T_WRITE_ZEROES);
		return;
	case VIRTIO_BLK_T_GET_ID:
		get_id(b);
		break;
	default:
		virtio_blk_give_back(b, &b->chain, VIRTIO_BLK_S_UNSUPP, 0);
	}
	virtio_blk_req_free(b, r);
}
