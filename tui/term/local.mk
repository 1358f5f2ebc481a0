# tui/term
