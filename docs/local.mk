# Man pages and the completion. vitrine(1) is written by hand but for what the program's own tables say.
VITRINE_1_PARTS = docs/vitrine.1.head docs/vitrine.1.middle docs/vitrine.1.tail
EXTRA_DIST += $(VITRINE_1_PARTS) docs/vitrine.bash docs/CODE-MAP.md docs/THREADS.md docs/protocol.md
man_MANS += docs/vitrine.1
dist_man_MANS += docs/vitrine-vm.1 docs/vitrine.cfg.5
CLEANFILES += docs/vitrine.1

docs/vitrine.1: vitrine$(EXEEXT) $(VITRINE_1_PARTS)
	@$(MKDIR_P) docs
	$(AM_V_GEN){ cat $(srcdir)/docs/vitrine.1.head && ./vitrine$(EXEEXT) --dump-man options && \
		cat $(srcdir)/docs/vitrine.1.middle && ./vitrine$(EXEEXT) --dump-man commands && \
		./vitrine$(EXEEXT) --dump-man verbs && cat $(srcdir)/docs/vitrine.1.tail; } >$@.tmp && mv $@.tmp $@

install-data-local:
	$(MKDIR_P) $(DESTDIR)$(bashcompdir)
	$(INSTALL_DATA) $(srcdir)/docs/vitrine.bash $(DESTDIR)$(bashcompdir)/vitrine
uninstall-local:
	rm -f $(DESTDIR)$(bashcompdir)/vitrine
