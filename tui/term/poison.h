/*
 * poison.h - find in a replayed history the bytes that killed the last vitrine-term, and leave them out.
 * vitrine-term's one thread. Knuth-Morris-Pratt over a stream: bytes that may begin the pattern are held back.
 */
#ifndef TUI_TERM_POISON_H
#define TUI_TERM_POISON_H
#include <tui/term/wire.h>

struct poison {
	uint32_t len, context; /* of the pattern; its first part may pass when found. len 0: none */
	uint32_t matched;
	uint64_t skipped; /* bytes */
	uint8_t pattern[TERM_CONTEXT_MAX + TERM_CHUNK_MAX];
	uint16_t border[TERM_CONTEXT_MAX + TERM_CHUNK_MAX]; /* of each prefix: its longest proper border */
};

typedef void poison_out_fn(void *arg, const char *bytes, size_t len);

void poison_set(struct poison *p, const void *pattern, uint32_t context, uint32_t chunk);
void poison_feed(struct poison *p, const char *bytes, size_t len, poison_out_fn *out, void *arg);
/** poison_end() - give out what is held back, and look for nothing more. */
void poison_end(struct poison *p, poison_out_fn *out, void *arg);

#endif
