/*
 * tty.c - the terminal: taking it, giving it back in every case, and sending a frame. Screen thread; the
 * fatal signal handler may run anywhere and uses only async-signal-safe calls and what was prepared here.
 *
 * Sequences beyond terminfo: bracketed paste (?2004), SGR mouse (?1000 ?1002 ?1006, as xterm documents them)
 * and synchronised output (?2026). The last is used only after the terminal has said, in answer to DECRQM,
 * that it knows it; and it is asked only where TERM names a family that is known to parse the question.
 */
#include "config.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "tui/input.h"
#include "tui/ui.h"

#define MODES_ON  "\033[?2004h"
#define MODES_OFF "\033[?2026l\033[?2004l\033[?1006l\033[?1002l\033[?1000l"
#define MOUSE_ON  "\033[?1000h\033[?1002h\033[?1006h"
#define MOUSE_OFF "\033[?1006l\033[?1002l\033[?1000l"

static struct termios saved_termios;
static char restore_text[512]; /* what gives the terminal back; made before it is needed */
static volatile sig_atomic_t taken;
static SCREEN *screen;
static bool sync_known, mouse_wanted, ansi;

static void out(const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the terminal is gone: SIGHUP or the next read says so */
		text += n;
		len -= (size_t)n;
	}
}

/* Runs on any fatal signal: the user gets the terminal back before the process dies of it. */
static void fatal_handler(int sig)
{
	if (taken) {
		taken = 0;
		(void)!write(STDOUT_FILENO, restore_text, strlen(restore_text));
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static void fatal_signals(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGQUIT};
	static char stack[32768];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = fatal_handler, .sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
	size_t i;

	sigaltstack(&ss, NULL);
	sigfillset(&sa.sa_mask);
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);
}

static void restore_prepare(void)
{
	static const char *const caps[] = {"rmkx", "sgr0", "oc", "cnorm", "rmcup"};
	size_t i, len;
	const char *cap;

	len = (size_t)snprintf(restore_text, sizeof(restore_text), "%s", ansi ? MODES_OFF : "");
	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		cap = tigetstr(caps[i]);
		if (cap == NULL || cap == (char *)-1 || len + strlen(cap) >= sizeof(restore_text))
			continue;
		len += (size_t)snprintf(restore_text + len, sizeof(restore_text) - len, "%s", cap);
	}
}

/* Terminals that parse CSI ? ... $ p and answer or ignore it, but never print a part of it. */
static bool asks_safely(const char *term)
{
	static const char *const families[] = {"xterm", "tmux", "foot", "alacritty", "kitty", "wezterm",
		"contour", "ghostty", "mintty", "vte", "iterm", "rio"};
	size_t i;

	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strncmp(term, families[i], strlen(families[i])) == 0)
			return true;
	return false;
}

static bool is_utf8(void)
{
	return setlocale(LC_ALL, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void prepare_modes(void)
{
	raw();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	scrollok(stdscr, FALSE);
	leaveok(stdscr, FALSE);
	set_escdelay(25);
	curs_set(0);
}

int tty_open(struct ui *ui, char *err, size_t err_size)
{
	const char *term = getenv("TERM");

	ui->utf8 = is_utf8();
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		snprintf(err, err_size, "the workstation needs a terminal; for scripts there are verbs: vitrine --help");
		return -ENOTTY;
	}
	if (term == NULL || *term == '\0' || strcmp(term, "dumb") == 0) {
		snprintf(err, err_size, "TERM is %s: no screen can be drawn; set it to what this terminal is, such as"
			" xterm-256color", term == NULL || *term == '\0' ? "not set" : term);
		return -ENOTTY;
	}
	if (tcgetattr(STDIN_FILENO, &saved_termios) < 0) {
		snprintf(err, err_size, "terminal settings: %s", strerror(errno));
		return -errno;
	}
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL) {
		snprintf(err, err_size, "the terminal type %s is not known here; set TERM, or install ncurses-term",
			term);
		return -ENOENT;
	}
	set_term(screen);
	ansi = tigetstr("cup") != (char *)-1 && tigetstr("cup") != NULL && strncmp(tigetstr("cup"), "\033[", 2) == 0;
	restore_prepare();
	taken = 1;
	fatal_signals();
	prepare_modes();
	input_define_keys();
	if (ansi)
		out(MODES_ON);
	if (asks_safely(term))
		out("\033[?2026$p");
	getmaxyx(stdscr, ui->rows, ui->cols);
	return 0;
}

void tty_mouse(bool on)
{
	mouse_wanted = on;
	if (taken && ansi)
		out(on ? MOUSE_ON : MOUSE_OFF);
}

void tty_close(void)
{
	if (!taken)
		return;
	if (ansi)
		out(MODES_OFF);
	curs_set(1);
	endwin();
	taken = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_termios);
	delscreen(screen);
	screen = NULL;
}

void tty_resume(void)
{
	if (screen == NULL)
		return;
	taken = 1;
	reset_prog_mode();
	if (ansi)
		out(MODES_ON);
	if (mouse_wanted && ansi)
		out(MOUSE_ON);
	clearok(curscr, TRUE);
	refresh();
	curs_set(0);
	tty_resized();
}

void tty_suspend(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL}, old;
	sigset_t set;

	if (ansi)
		out(MODES_OFF);
	endwin();
	taken = 0;
	sigaction(SIGTSTP, &dfl, &old);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(0, SIGTSTP); /* the whole job, as the shell expects; returns when continued */
	sigaction(SIGTSTP, &old, NULL);
	tty_resume();
}

void tty_resized(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0 && ws.ws_col > 0)
		resizeterm(ws.ws_row, ws.ws_col);
}

void tty_sync_known(bool supported)
{
	sync_known = supported;
}

void tty_flush(bool sync)
{
	wnoutrefresh(stdscr);
	if (sync && sync_known)
		out("\033[?2026h");
	doupdate();
	if (sync && sync_known)
		out("\033[?2026l");
}

void tty_clipboard(const char *text, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)text;
	char piece[5] = "";
	size_t i;

	if (len > 64 << 10) /* terminals take no more, and some would take a part */
		return;
	out("\033]52;c;");
	for (i = 0; i < len; i += 3) {
		unsigned left = len - i < 3 ? (unsigned)(len - i) : 3;
		unsigned v = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);

		piece[0] = digits[v >> 18];
		piece[1] = digits[v >> 12 & 63];
		piece[2] = left > 1 ? digits[v >> 6 & 63] : '=';
		piece[3] = left > 2 ? digits[v & 63] : '=';
		out(piece);
	}
	out("\a");
}
