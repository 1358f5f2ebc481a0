# The views of one VM (vCPU, memory map, heatmap, hex, devices) and the pure helpers under them.
noinst_LTLIBRARIES += libviews.la
libviews_la_SOURCES = \
	tui/panel.h tui/command.h \
	tui/decode.h tui/decode.c \
	tui/decode_virtio.h tui/decode_virtio.c \
	tui/disasm.h tui/disasm.c \
	tui/exits.h tui/exits.c \
	tui/expr.h tui/expr.c \
	tui/heat.h tui/heat.c \
	tui/view.h tui/view.c \
	tui/view_vcpu.h tui/view_vcpu.c tui/vcpu_draw.c \
	tui/view_heat.h tui/view_heat.c tui/heat_draw.c \
	tui/view_memmap.c tui/view_devices.c \
	tui/view_hex.h tui/view_hex.c tui/hex_goto.c tui/hex_fetch.c tui/hex_find.c tui/hex_draw.c
libviews_la_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS)
libviews_la_LIBADD = $(ZYDIS_LIBS)
