/*
 * net_keeper.c - the keeper of one user network: a small process that makes the one with libslirp in
 * it, and makes another when it dies. It sees no frame and reads nothing that a guest could have
 * written. See net.h. Should it die all the same (somebody kills it, memory runs out), its guard makes
 * another: its parent, which does nothing but wait for it.
 *
 * When libslirp wants to know the host's name servers it opens /etc/resolv.conf. Its sandbox opens
 * nothing: the kernel asks the keeper (seccomp user notification), which answers every such call with
 * that one file, freshly opened, for it may be a link, and be replaced at any time.
 */
#include "vmhost/net.h"
#include "vmhost/packet.h"
#include "vmhost/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BACK_OFF_MS = 100, BACK_OFF_MAX_MS = 5000, LONG_LIFE_MS = 10000 };
enum { FRAMES_ROOM = 1 << 20 }; /* on their way, each direction */
enum { NEWS_FD = 3 }; /* the keeper's own socket; all others are above */

struct keeper {
	const struct net_spec *spec;
	struct net_shared *shared;
	bool sandbox;
	pid_t child;
	int report, notify; /* of the child; -1 */
	int frames;         /* the VM's end, until it is sent */
	unsigned back_off_ms;
};

int net_news_send(int sock, const struct net_news *n, const int *fds, unsigned nfds)
{
	return packet_send(sock, n, sizeof(*n), fds, nfds);
}

int net_news_read(int sock, bool wait, struct net_news *n, int *fd)
{
	int rc = packet_recv(sock, wait, n, sizeof(*n), fd);

	n->text[sizeof(n->text) - 1] = '\0';
	return rc == -EMFILE ? 1 : rc; /* news all the same, without a descriptor */
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool pair(int sv[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0;
}

/* Makes the network's process and waits until it serves. Return: 0 with k->frames, -errno with what
 * it said. */
static int make_child(struct keeper *k, struct net_news *said)
{
	int frames[2], report[2], room = FRAMES_ROOM, rc;

	memset(said, 0, sizeof(*said));
	snprintf(said->text, sizeof(said->text), "no process for it: %s", strerror(errno));
	if (!pair(frames))
		return -errno;
	if (!pair(report)) {
		rc = -errno;
		close(frames[0]);
		close(frames[1]);
		return rc;
	}
	for (int i = 0; i < 2; i++) /* as far as net.core.wmem_max lets it */
		setsockopt(frames[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	k->child = fork();
	if (k->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* the ports are for the next keeper's */
		close(NEWS_FD);
		close(frames[0]);
		close(report[0]);
		net_slirp(k->spec, k->shared, frames[1], report[1], k->sandbox);
	}
	rc = k->child < 0 ? -errno : 0;
	close(frames[1]);
	close(report[1]);
	k->frames = frames[0];
	k->report = report[0];
	if (rc == 0 && net_news_read(k->report, true, said, &k->notify) != 1) {
		snprintf(said->text, sizeof(said->text), "it ended at once");
		rc = -EPIPE;
	}
	return rc ? rc : said->rc;
}

/* What became of it, in words. Return: true when it ended as it should. */
static bool bury(struct keeper *k, bool force, char *text, size_t size)
{
	int status = 0;

	if (k->child > 0) {
		if (force)
			kill(k->child, SIGKILL);
		while (waitpid(k->child, &status, 0) < 0 && errno == EINTR)
			;
	}
	k->child = -1;
	drop(&k->report);
	drop(&k->notify);
	drop(&k->frames);
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void end(struct keeper *k)
{
	char text[64];

	bury(k, true, text, sizeof(text));
	_exit(0);
}

/* Until the child has gone. Ends with the VM's process. */
static void watch(struct keeper *k)
{
	for (;;) {
		struct pollfd p[3] = {{NEWS_FD, POLLIN, 0}, {k->report, POLLIN, 0}, {k->notify, POLLIN, 0}};

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			end(k);
		if (p[0].revents) /* it never says anything: it has gone */
			end(k);
		if (p[1].revents)
			return;
		if (p[2].revents & POLLIN)
			sandbox_answer_open(k->notify, "/etc/resolv.conf");
		else if (p[2].revents)
			drop(&k->notify);
	}
}

/* Waits, but no longer than the VM's process lives. */
static void back_off(struct keeper *k, bool well, int64_t lived_ms)
{
	struct pollfd p = {NEWS_FD, POLLIN, 0};

	if (well || lived_ms > LONG_LIFE_MS) {
		k->back_off_ms = BACK_OFF_MS;
		return;
	}
	if (poll(&p, 1, (int)k->back_off_ms) != 0)
		end(k);
	k->back_off_ms *= 2;
	if (k->back_off_ms > BACK_OFF_MAX_MS)
		k->back_off_ms = BACK_OFF_MAX_MS;
}

static void keep(struct keeper *k, bool first)
{
	struct net_news news;

	for (;;) {
		int64_t born = now_ms();
		int rc = make_child(k, &news), fd = k->frames;
		bool well;

		news.rc = rc;
		if (net_news_send(NEWS_FD, &news, &fd, rc == 0) < 0 || (rc < 0 && first))
			end(k);
		first = false;
		drop(&k->frames);
		if (rc == 0)
			watch(k);
		memset(&news, 0, sizeof(news));
		well = bury(k, rc < 0, news.text, sizeof(news.text)) && rc == 0;
		news.died = 1;
		if (rc == 0 && net_news_send(NEWS_FD, &news, NULL, 0) < 0)
			end(k);
		back_off(k, well, now_ms() - born);
	}
}

/* Until the VM's process has gone: a keeper that does not end by itself is followed by another. What it left
 * behind becomes the guard's, and ends with it. */
static void guard(struct keeper *k)
{
	struct net_news news;
	bool first = true;
	char how[64];

	prctl(PR_SET_NAME, "vitrine-guard");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (;;) {
		int64_t born = now_ms();

		k->child = fork();
		if (k->child == 0) {
			prctl(PR_SET_NAME, "vitrine-net");
			k->child = -1;
			k->back_off_ms = BACK_OFF_MS;
			keep(k, first);
		}
		memset(&news, 0, sizeof(news));
		if (k->child < 0)
			snprintf(how, sizeof(how), "none can be made: %s", strerror(errno));
		else if (bury(k, false, how, sizeof(how)))
			_exit(0);
		snprintf(news.text, sizeof(news.text), "its keeper: %s", how);
		while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
			;
		first = false;
		news.died = 1;
		if (net_news_send(NEWS_FD, &news, NULL, 0) < 0)
			_exit(0);
		back_off(k, false, now_ms() - born);
	}
}

/* In the guard: nothing stays open but its socket. */
static void child(struct keeper *k, int news)
{
	int null = open("/dev/null", O_RDWR);

	/* A terminal's Ctrl-C is for the VM's process; this one ends when that one has. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	news = fcntl(news, F_DUPFD, 10);
	if (null < 0 || news < 0)
		_exit(1);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	dup2(news, NEWS_FD);
	close_range(NEWS_FD + 1, ~0u, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	guard(k);
}

int net_keeper_start(const struct net_spec *spec, struct net_shared *shared, bool sandbox,
	int *news, int *frames, char *err, size_t err_size)
{
	struct keeper k = {.spec = spec,
		.shared = shared,
		.sandbox = sandbox,
		.child = -1,
		.report = -1,
		.notify = -1,
		.frames = -1,
		.back_off_ms = BACK_OFF_MS};
	struct net_news said = {0};
	int sv[2], rc;
	pid_t pid;

	if (!pair(sv)) {
		rc = -errno;
		snprintf(err, err_size, "%s: a socket: %s", spec->name, strerror(-rc));
		return rc;
	}
	pid = fork();
	if (pid == 0)
		child(&k, sv[1]);
	rc = pid < 0 ? -errno : 0;
	close(sv[1]);
	if (rc == 0 && net_news_read(sv[0], true, &said, frames) != 1) {
		rc = -EPIPE;
		snprintf(said.text, sizeof(said.text), "its process ended at once");
	}
	if (rc == 0)
		rc = said.rc ? said.rc : *frames >= 0 ? 0 : -EMFILE;
	if (rc == 0) {
		*news = sv[0];
		return pid;
	}
	snprintf(err, err_size, "%s: %s", spec->name, *said.text ? said.text : strerror(-rc));
	close(sv[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return rc;
}
