/* poison.c - leave out the bytes that killed; see poison.h. vitrine-term's one thread. */
#include <string.h>
#include <tui/term/poison.h>

void poison_set(struct poison *p, const void *pattern, uint32_t context, uint32_t chunk)
{
	uint32_t k = 0;

	p->len = p->matched = 0;
	if (!chunk || context > TERM_CONTEXT_MAX || chunk > TERM_CHUNK_MAX)
		return;
	p->len = context + chunk;
	p->context = context;
	memcpy(p->pattern, pattern, p->len);
	p->border[0] = 0;
	for (uint32_t i = 1; i < p->len; i++) {
		while (k && p->pattern[i] != p->pattern[k])
			k = p->border[k - 1];
		if (p->pattern[i] == p->pattern[k])
			k++;
		p->border[i] = (uint16_t)k;
	}
}

/* The pattern's first @n bytes turned out to be nothing of ours. */
static void release(struct poison *p, uint32_t n, poison_out_fn *out, void *arg)
{
	if (n)
		out(arg, (const char *)p->pattern, n);
}

void poison_feed(struct poison *p, const char *bytes, size_t len, poison_out_fn *out, void *arg)
{
	size_t i = 0;

	while (i < len) {
		size_t start = i;

		if (!p->len) {
			out(arg, bytes + i, len - i);
			return;
		}
		if (!p->matched) { /* what cannot begin the pattern goes at once */
			const char *hit = memchr(bytes + i, p->pattern[0], len - i);

			i = hit ? (size_t)(hit - bytes) : len;
			if (i > start)
				out(arg, bytes + start, i - start);
			if (!hit)
				return;
		}
		while (p->matched && p->pattern[p->matched] != (uint8_t)bytes[i]) {
			uint32_t border = p->border[p->matched - 1];

			release(p, p->matched - border, out, arg);
			p->matched = border;
		}
		if (p->pattern[p->matched] != (uint8_t)bytes[i])
			continue; /* looked at again with nothing matched: memchr() goes past it */
		i++;
		if (++p->matched == p->len) {
			release(p, p->context, out, arg);
			p->skipped += p->len - p->context;
			p->matched = 0;
		}
	}
}

void poison_end(struct poison *p, poison_out_fn *out, void *arg)
{
	uint32_t held = p->matched;

	p->len = p->matched = 0;
	release(p, held, out, arg);
}
