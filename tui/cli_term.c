/*
 * cli_term.c - a raw terminal that is put back whatever happens: at exit, on signals, on a crash of ours.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "tui/cli.h"

/*
 * What a guest may have left behind: attributes, a hidden cursor, scroll region, mouse reports, bracketed
 * paste, the other screen, application keys. DECSTR does not reset all of it on every terminal.
 */
static const char reset_text[] = "\033[!p\033[?1049l\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2004l\033[?1l"
	"\033[?25h\033[?7h\033[r\033[0m\033>\r\033[J";

static int term_fd = -1;
static struct termios saved;
static int signals = -1;
static sigset_t old_mask;

/* Async-signal-safe. */
void cli_term_restore(void)
{
	int fd = term_fd;

	if (fd < 0)
		return;
	term_fd = -1;
	if (isatty(STDOUT_FILENO) && write(STDOUT_FILENO, reset_text, sizeof(reset_text) - 1) < 0)
		(void)0; /* the terminal is gone: nothing to put back */
	tcsetattr(fd, TCSAFLUSH, &saved);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
}

static void crashed(int sig)
{
	cli_term_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Signals come through a descriptor from now on, so that none can come at a bad moment. */
static void watch_signals(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction sa = { .sa_handler = crashed, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };
	sigset_t set;
	size_t i;

	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old_mask);
	if (signals < 0)
		signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int cli_term_raw(int fd)
{
	static bool at_exit;
	struct termios raw;
	int rc;

	if (tcgetattr(fd, &saved) < 0)
		return -errno;
	raw = saved;
	cfmakeraw(&raw);
	if (!at_exit)
		atexit(cli_term_restore);
	at_exit = true;
	watch_signals();
	term_fd = fd;
	if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
		return 0;
	rc = -errno;
	cli_term_restore();
	return rc;
}

int cli_term_signal_fd(void)
{
	if (signals < 0)
		watch_signals();
	return signals;
}

int cli_term_next_signal(void)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

/* Stops like any program that got SIGTSTP, with the terminal as it was; comes back raw. */
void cli_term_suspend(int fd)
{
	sigset_t stop, mask;

	cli_term_restore();
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, &mask);
	raise(SIGTSTP);
	cli_term_raw(fd);
}
