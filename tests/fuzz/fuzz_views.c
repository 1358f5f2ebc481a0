/*
 * fuzz_views.c - the views of a workstation whose VM process was taken over by its guest: samples, memory maps, replies of any
 * content, between keys, clicks and sizes of any kind. No screen: they draw into the grid of fakeui.
 */
#include <errno.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/lib/fakeui.h"

struct input {
	const uint8_t *p;
	size_t left;
};

static void take(struct input *in, void *out, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(out, 0, len);
	memcpy(out, in->p, n);
	in->p += n;
	in->left -= n;
}

static uint8_t byte(struct input *in)
{
	uint8_t b;

	take(in, &b, 1);
	return b;
}

/* Numbers near the edges come up more often than chance has it. */
static uint64_t number(struct input *in)
{
	uint64_t v;

	switch (byte(in) % 6) {
	case 0:
		return byte(in);
	case 1:
		return (uint64_t)byte(in) << 12;
	case 2:
		return UINT64_MAX - byte(in);
	case 3:
		return 1ull << (byte(in) % 64);
	default:
		take(in, &v, sizeof(v));
		return v;
	}
}

static void sample(struct fake *f, struct input *in)
{
	static const char *const kinds[] = { "ram", "rom", "mmio", "pio", "hole", "irqchip", "", "new kind" };
	static struct vmc_sample_cpu cpus[70];
	static struct vmc_map_entry map[12];
	static uint8_t cells[4096];
	struct vmc_sample_heat heat = { 0 };
	struct vmc_sample s = { .state = byte(in) % 5, .time_us = number(in), .cpus = cpus, .map = map };
	uint8_t what = byte(in);

	s.ncpus = what & 1 ? byte(in) % 70 : 1;
	memset(cpus, 0, sizeof(cpus));
	for (uint32_t i = 0; i < s.ncpus && i < 3; i++) {
		take(in, &cpus[i].regs, sizeof(cpus[i].regs));
		take(in, &cpus[i].sregs, sizeof(cpus[i].sregs));
		take(in, cpus[i].exits, sizeof(cpus[i].exits));
		take(in, cpus[i].code, sizeof(cpus[i].code));
		cpus[i].code_len = byte(in) % 17;
		cpus[i].cpu_ns = number(in);
		cpus[i].state = byte(in) % 5;
		cpus[i].has_regs = byte(in) & 1;
	}
	s.nmap = what & 2 ? byte(in) % 13 : 0;
	for (uint32_t i = 0; i < s.nmap; i++) {
		memset(&map[i], 0, sizeof(map[i]));
		strcpy(map[i].kind, kinds[byte(in) % 8]);
		take(in, map[i].name, byte(in) % (sizeof(map[i].name) - 1));
		map[i].start = number(in);
		map[i].size = number(in);
		map[i].slot = (int8_t)byte(in);
		map[i].resident = (int64_t)number(in);
		map[i].accesses = number(in);
	}
	if (!s.nmap)
		s.map = NULL;
	if (what & 4) {
		take(in, cells, byte(in));
		heat = (struct vmc_sample_heat){ number(in), number(in), (uint32_t)(number(in) % 4097), number(in), cells,
			number(in), number(in), number(in) };
		s.heat = &heat;
	}
	fake_sample(f, &s);
}

static void reply(struct fake *f, struct input *in)
{
	char text[1200];
	size_t len = byte(in) % 2 ? byte(in) * 2 : byte(in) % 8;

	switch (byte(in) % 5) {
	case 0:
		fake_reply(f, -EIO, "no");
		return;
	case 1:
		snprintf(text, sizeof(text), "{\"physical\": \"0x%lx\"}", (unsigned long)number(in));
		break;
	case 2:
		strcpy(text, "{\"address\": \"0x0\", \"data\": \"");
		for (size_t i = 0; i < len; i++)
			strcat(text, byte(in) & 1 ? "4a" : "..");
		strcat(text, "\"}");
		break;
	case 3:
		snprintf(text, sizeof(text), "[{\"id\": \"a\", \"type\": %u, \"features-offered\": \"0x%lx\", \"status\": %u, "
			"\"note\": \"%s\", \"length\": \"0x8\", \"queues\": [{\"ready\": true, \"size\": %u, \"avail\": %u}, {}]}]",
			byte(in) % 30, (unsigned long)number(in), byte(in), byte(in) & 1 ? "words and more words" : "",
			byte(in), byte(in));
		break;
	default:
		memset(text, 0, sizeof(text));
		take(in, text, len < sizeof(text) ? len : sizeof(text) - 1);
	}
	fake_reply(f, 0, text);
}

static void answer(struct fake *f, struct input *in)
{
	char text[80] = "";

	take(in, text, byte(in) % (sizeof(text) - 1));
	fake_answer(f, byte(in) & 1 ? text : NULL);
	fake_answer_ask(f, byte(in) & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct panel_ops *const views[] = { &panel_vcpu, &panel_memmap, &panel_heat, &panel_hex, &panel_devices };
	static const int keys[] = { KEY_UP, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_NPAGE, KEY_PPAGE, KEY_HOME, KEY_END, UI_KEY_ENTER,
		UI_KEY_ESC, UI_KEY_BACKSPACE };
	struct input in = { data, size };
	struct fake *f = fake_new(views[byte(&in) % 5], 4 + byte(&in) % 60, 20 + byte(&in) % 200);
	uint64_t now_ms = 1000;

	for (int i = 0; i < 60 && in.left; i++) {
		switch (byte(&in) % 9) {
		case 0:
		case 1:
			sample(f, &in);
			break;
		case 2:
			fake_key(f, keys[byte(&in) % (sizeof(keys) / sizeof(keys[0]))]);
			break;
		case 3:
			fake_key(f, ' ' + byte(&in) % 95);
			break;
		case 4:
			fake_tick(f, now_ms += byte(&in) * 10);
			break;
		case 5:
			reply(f, &in);
			break;
		case 6:
			answer(f, &in);
			break;
		case 7:
			fake_resize(f, 1 + byte(&in) % 60, 1 + byte(&in) % 220);
			break;
		case 8:
			if (fake_panel(f)->ops->mouse && byte(&in) & 1)
				fake_click(f, byte(&in) % 60, byte(&in));
			else if (fake_panel(f)->ops->mouse)
				fake_wheel(f, byte(&in) % 60, byte(&in), byte(&in) & 1);
			fake_goto(f, number(&in));
			break;
		}
		fake_want(f);
	}
	fake_free(f);
	return 0;
}
