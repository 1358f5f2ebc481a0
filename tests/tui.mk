# Tests of the workstation's screen: scripts that drive it in a terminal (tmux). Programs first: the parts that
# need no terminal.
EXTRA_DIST += tests/tui/lib.bash tests/tui/commands.sh tests/tui/screen.sh
