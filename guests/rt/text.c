/* text.c - strings and printf. Plain code: it runs in both rings. */
#include "rt.h"

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	while (n && *a && *a == *b)
		a++, b++, n--;
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

/* String instructions, so that the compiler cannot make a call to memcpy() out of memcpy()'s loop.
 */
void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n)::"memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (d <= s)
		return memcpy(dst, src, n);
	while (n--)
		((volatile uint8_t *)d)[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

bool rt_parse(const char *text, uint64_t *out)
{
	uint64_t v = 0;
	unsigned base = 10, digits = 0;

	if (text[0] == '0' && (text[1] | 32) == 'x')
		base = 16, text += 2;
	for (;; text++, digits++) {
		unsigned d = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0')
			     : (*text | 32) >= 'a' && (*text | 32) <= 'f'
				     ? (unsigned)((*text | 32) - 'a' + 10)
				     : 99;

		if (d >= base)
			break;
		if (v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	if (!digits)
		return false;
	for (const char *unit = "kmg"; *unit && *text; unit++) {
		if (v >> 54)
			return false;
		v <<= 10;
		if ((*text | 32) == *unit) {
			text++;
			break;
		}
	}
	*out = v;
	return !*text;
}

struct sink {
	char *out;
	size_t size, len;
};

static void put(struct sink *s, char c)
{
	if (s->len + 1 < s->size)
		s->out[s->len] = c;
	s->len++;
}

struct spec {
	bool left, zero, alt, plus, grouped;
	int width, precision, size;
};

static void pad(struct sink *s, int n, char c)
{
	while (n-- > 0)
		put(s, c);
}

static void put_text(struct sink *s, const struct spec *p, const char *text)
{
	int len = 0, cols = 0;

	while (text[len] && (p->precision < 0 || cols < p->precision)) {
		len++;
		if ((text[len] & 0xc0) != 0x80)
			cols++; /* the end of a UTF-8 character */
	}
	if (!p->left)
		pad(s, p->width - cols, ' ');
	for (int i = 0; i < len; i++)
		put(s, text[i]);
	if (p->left)
		pad(s, p->width - cols, ' ');
}

static void put_number(struct sink *s, const struct spec *p, uint64_t v, unsigned base, char sign)
{
	char digits[32];
	const char *prefix = p->alt && base == 16 ? "0x" : "";
	int n = 0, group = 0, extra;

	do {
		if (p->grouped && group++ == 3) {
			digits[n++] = '\'';
			group = 1;
		}
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v && n < 30);
	extra = p->width - n - (sign ? 1 : 0) - (int)strlen(prefix);
	if (!p->left && !p->zero)
		pad(s, extra, ' ');
	if (sign)
		put(s, sign);
	for (; *prefix; prefix++)
		put(s, *prefix);
	if (!p->left && p->zero)
		pad(s, extra, '0');
	while (n)
		put(s, digits[--n]);
	if (p->left)
		pad(s, extra, ' ');
}

static int number(const char **f, va_list *ap)
{
	int n = 0;

	if (**f == '*') {
		(*f)++;
		return va_arg(*ap, int);
	}
	while (**f >= '0' && **f <= '9')
		n = n * 10 + *(*f)++ - '0';
	return n;
}

static const char *parse_spec(const char *f, struct spec *p, va_list *ap)
{
	for (;; f++) {
		if (*f == '-')
			p->left = true;
		else if (*f == '0')
			p->zero = true;
		else if (*f == '#')
			p->alt = true;
		else if (*f == '+')
			p->plus = true;
		else if (*f == '\'')
			p->grouped = true;
		else
			break;
	}
	p->width = number(&f, ap);
	if (*f == '.') {
		f++;
		p->precision = number(&f, ap);
	}
	for (; *f == 'l' || *f == 'z'; f++)
		p->size++;
	return f;
}

static void convert(struct sink *s, const struct spec *p, char c, va_list *ap)
{
	int64_t v;
	char text[2] = {0};

	switch (c) {
	case 'd':
		v = p->size ? va_arg(*ap, long) : va_arg(*ap, int);
		put_number(s, p, v < 0 ? -(uint64_t)v : (uint64_t)v, 10,
			v < 0     ? '-'
			: p->plus ? '+'
				  : 0);
		break;
	case 'u':
	case 'x':
		put_number(s, p, p->size ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned),
			c == 'u' ? 10 : 16, 0);
		break;
	case 'p':
		put_number(s, &(struct spec){.alt = true}, (uint64_t)va_arg(*ap, void *), 16, 0);
		break;
	case 's':
		put_text(s, p, va_arg(*ap, const char *));
		break;
	case 'c':
		text[0] = (char)va_arg(*ap, int);
		put_text(s, p, text);
		break;
	default:
		put(s, c);
	}
}

int rt_vsnprintf(char *out, size_t size, const char *format, va_list args)
{
	struct sink s = {out, size, 0};
	va_list ap;

	va_copy(ap, args);
	for (const char *f = format; *f; f++) {
		struct spec p = {.precision = -1};

		if (*f != '%') {
			put(&s, *f);
			continue;
		}
		f = parse_spec(f + 1, &p, &ap);
		if (!*f)
			break;
		convert(&s, &p, *f, &ap);
	}
	va_end(ap);
	if (size)
		out[s.len < size ? s.len : size - 1] = 0;
	return (int)s.len;
}

int rt_snprintf(char *out, size_t size, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = rt_vsnprintf(out, size, format, ap);
	va_end(ap);
	return n;
}
