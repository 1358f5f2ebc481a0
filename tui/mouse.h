/* mouse.h - mouse events as xterm's SGR encoding has them, to panels, borders and the focus. Screen thread. */
#ifndef TUI_MOUSE_H
#define TUI_MOUSE_H
#include <stdbool.h>

struct ui;
void mouse_event(struct ui *ui, int code, int y, int x, bool press);

#endif
