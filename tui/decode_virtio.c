/*
 * decode_virtio.c - virtio in words. Pure functions, any thread. Virtual I/O Device (VIRTIO) version 1.2: §2.1
 * (status), §5 (types, queues, feature bits of each device), §6 (reserved feature bits).
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/decode_virtio.h"

struct feature {
	uint8_t bit;
	const char *name;
};

static const struct feature net_features[] = {
	{ 0, "CSUM" }, { 1, "GUEST_CSUM" }, { 2, "CTRL_GUEST_OFFLOADS" }, { 3, "MTU" }, { 5, "MAC" },
	{ 7, "GUEST_TSO4" }, { 8, "GUEST_TSO6" }, { 9, "GUEST_ECN" }, { 10, "GUEST_UFO" }, { 11, "HOST_TSO4" },
	{ 12, "HOST_TSO6" }, { 13, "HOST_ECN" }, { 14, "HOST_UFO" }, { 15, "MRG_RXBUF" }, { 16, "STATUS" },
	{ 17, "CTRL_VQ" }, { 18, "CTRL_RX" }, { 19, "CTRL_VLAN" }, { 21, "GUEST_ANNOUNCE" }, { 22, "MQ" },
	{ 23, "CTRL_MAC_ADDR" }, { 53, "NOTF_COAL" }, { 54, "GUEST_USO4" }, { 55, "GUEST_USO6" }, { 56, "HOST_USO" },
	{ 57, "HASH_REPORT" }, { 59, "GUEST_HDRLEN" }, { 60, "RSS" }, { 61, "RSC_EXT" }, { 62, "STANDBY" },
	{ 63, "SPEED_DUPLEX" }, { 0, NULL },
};
static const struct feature blk_features[] = {
	{ 0, "BARRIER" }, { 1, "SIZE_MAX" }, { 2, "SEG_MAX" }, { 4, "GEOMETRY" }, { 5, "RO" }, { 6, "BLK_SIZE" },
	{ 7, "SCSI" }, { 9, "FLUSH" }, { 10, "TOPOLOGY" }, { 11, "CONFIG_WCE" }, { 12, "MQ" }, { 13, "DISCARD" },
	{ 14, "WRITE_ZEROES" }, { 15, "LIFETIME" }, { 16, "SECURE_ERASE" }, { 0, NULL },
};
static const struct feature console_features[] = {
	{ 0, "SIZE" }, { 1, "MULTIPORT" }, { 2, "EMERG_WRITE" }, { 0, NULL },
};
static const struct feature balloon_features[] = {
	{ 0, "MUST_TELL_HOST" }, { 1, "STATS_VQ" }, { 2, "DEFLATE_ON_OOM" }, { 3, "FREE_PAGE_HINT" },
	{ 4, "PAGE_POISON" }, { 5, "PAGE_REPORTING" }, { 0, NULL },
};
static const struct feature vsock_features[] = { { 0, "STREAM" }, { 1, "SEQPACKET" }, { 0, NULL } };
static const struct feature fs_features[] = { { 0, "NOTIFICATION" }, { 0, NULL } };
static const struct feature common_features[] = {
	{ 24, "NOTIFY_ON_EMPTY" }, { 27, "ANY_LAYOUT" }, { 28, "INDIRECT_DESC" }, { 29, "EVENT_IDX" },
	{ 32, "VERSION_1" }, { 33, "ACCESS_PLATFORM" }, { 34, "RING_PACKED" }, { 35, "IN_ORDER" },
	{ 36, "ORDER_PLATFORM" }, { 37, "SR_IOV" }, { 38, "NOTIFICATION_DATA" }, { 39, "NOTIF_CONFIG_DATA" },
	{ 40, "RING_RESET" }, { 0, NULL },
};

static const char *const console_queues[] = { "receiveq0", "transmitq0", "control rx", "control tx", NULL };
static const char *const net_queues[] = { "receiveq1", "transmitq1", NULL };
static const char *const blk_queues[] = { "requestq", NULL };
static const char *const rng_queues[] = { "requestq", NULL };
static const char *const balloon_queues[] = { "inflateq", "deflateq", "statsq", "free page", "reporting", NULL };
static const char *const vsock_queues[] = { "rx", "tx", "event", NULL };
static const char *const fs_queues[] = { "hiprio", "requestq", NULL };

static const struct virtio_type {
	uint32_t type;
	const char *name;
	const struct feature *features;
	const char *const *queues;
} types[] = {
	{ 1, "network card", net_features, net_queues },
	{ 2, "block device", blk_features, blk_queues },
	{ 3, "console", console_features, console_queues },
	{ 4, "entropy source", NULL, rng_queues },
	{ 5, "memory balloon", balloon_features, balloon_queues },
	{ 8, "SCSI host", NULL, NULL },
	{ 9, "9P transport", NULL, NULL },
	{ 16, "GPU", NULL, NULL },
	{ 18, "input device", NULL, NULL },
	{ 19, "socket", vsock_features, vsock_queues },
	{ 24, "memory device", NULL, NULL },
	{ 25, "sound device", NULL, NULL },
	{ 26, "file system", fs_features, fs_queues },
	{ 27, "PMEM device", NULL, NULL },
	{ 0, NULL, NULL, NULL },
};

static const struct virtio_type *find_type(uint32_t type)
{
	for (const struct virtio_type *t = types; t->name; t++)
		if (t->type == type)
			return t;
	return NULL;
}

const char *virtio_type_name(uint32_t type)
{
	const struct virtio_type *t = find_type(type);

	return t ? t->name : NULL;
}

static const char *find_feature(const struct feature *f, unsigned bit)
{
	for (; f && f->name; f++)
		if (f->bit == bit)
			return f->name;
	return NULL;
}

const char *virtio_feature_name(uint32_t type, unsigned bit)
{
	const struct virtio_type *t = find_type(type);
	const char *name = t ? find_feature(t->features, bit) : NULL;

	return name ? name : find_feature(common_features, bit);
}

void virtio_features(uint32_t type, uint64_t bits, char *out, size_t size)
{
	struct decode_words w = { out, size, 0 };
	char word[16];

	if (size)
		out[0] = '\0';
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name;

		if (!(bits >> bit & 1))
			continue;
		name = virtio_feature_name(type, bit);
		if (!name) {
			snprintf(word, sizeof(word), "bit %u", bit);
			name = word;
		}
		decode_word(&w, name);
	}
}

void virtio_status(uint8_t status, char *out, size_t size)
{
	static const struct feature bits[] = {
		{ 0, "ack" }, { 1, "driver" }, { 3, "features-ok" }, { 2, "driver-ok" }, { 6, "needs-reset" },
		{ 7, "failed" }, { 0, NULL },
	};
	struct decode_words w = { out, size, 0 };

	if (size)
		out[0] = '\0';
	if (!status)
		decode_word(&w, "reset");
	for (const struct feature *b = bits; b->name; b++)
		if (status >> b->bit & 1)
			decode_word(&w, b->name);
}

const char *virtio_queue_name(uint32_t type, unsigned queue)
{
	const struct virtio_type *t = find_type(type);

	for (unsigned i = 0; t && t->queues && t->queues[i]; i++)
		if (i == queue)
			return t->queues[i];
	return NULL;
}
