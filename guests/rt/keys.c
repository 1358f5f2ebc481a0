/* keys.c - input bytes to keys: plain characters, and the sequences of cursor keys (xterm's).
 * Ring 3. */
#include "rt.h"

#define ESC_WAIT_US 30000

static int next_byte(uint64_t timeout_us)
{
	uint64_t until = rt_now_us() + timeout_us;
	int c;

	while ((c = rt_getc()) < 0) {
		uint64_t now = rt_now_us();

		if (now >= until)
			return -1;
		rt_unwait(rt_wait(until - now) & ~(uint32_t)(EV_INPUT | EV_TIMEOUT));
	}
	return c;
}

static int tilde_key(int number)
{
	switch (number) {
	case 1:
	case 7:
		return KEY_HOME;
	case 3:
		return KEY_DELETE;
	case 4:
	case 8:
		return KEY_END;
	case 5:
		return KEY_PGUP;
	case 6:
		return KEY_PGDN;
	}
	return KEY_NONE;
}

static int letter_key(int c)
{
	switch (c) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	}
	return KEY_NONE;
}

/* ESC [ and ESC O sequences; unknown ones are swallowed whole. */
static int sequence(void)
{
	int c = next_byte(ESC_WAIT_US), number = 0;

	if (c != '[' && c != 'O')
		return KEY_ESC;
	for (unsigned n = 0; n < 16; n++) {
		c = next_byte(ESC_WAIT_US);
		if (c < 0)
			return KEY_NONE;
		if (c >= '0' && c <= '9' && number < 1000)
			number = number * 10 + c - '0';
		if (c == '~')
			return tilde_key(number);
		if (c >= 0x40)
			return letter_key(c);
	}
	return KEY_NONE;
}

int rt_key(void)
{
	int c = rt_getc();

	if (c == 0x1b)
		return sequence();
	if (c == '\n')
		return KEY_ENTER;
	if (c == 8)
		return KEY_BACKSPACE;
	return c;
}
