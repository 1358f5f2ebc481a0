# Colour themes: role -> colour (libconfig). A copy beside the program serves the build tree.
THEMES = themes/dark.cfg themes/light.cfg themes/high-contrast.cfg themes/mono.cfg themes/colour-blind.cfg \
	themes/phosphor.cfg
dist_themes_DATA = $(THEMES)

all-local: themes/.copied
themes/.copied: $(THEMES)
	$(AM_V_GEN)$(MKDIR_P) themes && for t in $(THEMES); do \
		test -e $(top_srcdir)/$$t && test "$(top_srcdir)" != . && cp -f $(top_srcdir)/$$t themes/; done; : > $@
CLEANFILES += themes/.copied
clean-local: clean-themes
clean-themes:
	if test "$(top_srcdir)" != .; then rm -rf themes; fi
.PHONY: clean-themes
