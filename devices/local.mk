noinst_LTLIBRARIES += libdevices.la
libdevices_la_SOURCES = devices/stream.h devices/machine.h
libdevices_la_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
