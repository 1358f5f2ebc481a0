/* decode_virtio.h - virtio 1.2 in words: device types, feature bits, status, queue names. Pure, any thread. */
#ifndef TUI_DECODE_VIRTIO_H
#define TUI_DECODE_VIRTIO_H
#include <stddef.h>
#include <stdint.h>

/** virtio_type_name() - "network card"; "device 77" is not known: NULL. */
const char *virtio_type_name(uint32_t type);
/** virtio_feature_name() - of bit @bit for a device of @type; NULL where the specification has none. */
const char *virtio_feature_name(uint32_t type, unsigned bit);
/** virtio_features() - "SIZE VERSION_1", lowest bit first; bits without a name as "bit N". */
void virtio_features(uint32_t type, uint64_t bits, char *out, size_t size);
/** virtio_status() - "ack driver features-ok driver-ok"; "reset" for 0. */
void virtio_status(uint8_t status, char *out, size_t size);
/** virtio_queue_name() - "receiveq"; NULL where the specification has none. */
const char *virtio_queue_name(uint32_t type, unsigned queue);

#endif
