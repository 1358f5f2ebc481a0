# tui
include tui/views.mk
