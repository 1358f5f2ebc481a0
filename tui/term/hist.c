/* hist.c - the replay ring of a console; see hist.h. vitrine-term's one thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tui/term/hist.h>

int hist_init(struct hist *h)
{
	static const struct hist_mark start;

	h->ring = calloc(1, HIST_BYTES);
	if (!h->ring)
		return -ENOMEM;
	hist_clear(h, &start);
	return 0;
}

void hist_free(struct hist *h)
{
	free(h->ring);
	h->ring = NULL;
}

void hist_clear(struct hist *h, const struct hist_mark *mark)
{
	h->first = h->count = 0;
	hist_mark(h, mark);
}

struct hist_mark *hist_get(struct hist *h, unsigned i)
{
	return &h->marks[(h->first + i) % HIST_MARKS];
}

static void drop_first(struct hist *h)
{
	h->first = (h->first + 1) % HIST_MARKS;
	h->count--;
}

void hist_append(struct hist *h, const char *bytes, size_t len)
{
	size_t at, part;

	/* Never so many at once: marks come each HIST_STEP, and there always is one to drop. */
	while (h->count > 1 && h->end + len - hist_get(h, 0)->offset > HIST_BYTES)
		drop_first(h);
	at = h->end % HIST_BYTES;
	part = HIST_BYTES - at < len ? HIST_BYTES - at : len;
	memcpy(h->ring + at, bytes, part);
	memcpy(h->ring, bytes + part, len - part);
	h->end += len;
}

bool hist_wants_mark(const struct hist *h, bool good)
{
	uint64_t last = h->marks[(h->first + h->count - 1) % HIST_MARKS].offset;

	return h->end - last >= (good ? HIST_STEP : HIST_STEP * 3 / 2);
}

void hist_mark(struct hist *h, const struct hist_mark *mark)
{
	struct hist_mark *m;

	if (h->count == HIST_MARKS)
		drop_first(h);
	m = hist_get(h, h->count++);
	*m = *mark;
	m->offset = h->end;
}

size_t hist_read(const struct hist *h, uint64_t offset, const char **bytes)
{
	size_t at = offset % HIST_BYTES, n = h->end - offset;

	*bytes = h->ring + at;
	return n < HIST_BYTES - at ? n : HIST_BYTES - at;
}
