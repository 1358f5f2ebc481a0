/* log.c - see log.h. The file stays open: the sandbox opens none. Any thread (own lock). */
#include "vmhost/log.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_MAX        (1024 * 1024) /* then the older half goes */
#define LINES_A_SECOND 100

struct log {
	pthread_mutex_t lock; /* protects all below */
	int fd;
	bool echo;
	off_t size;
	time_t second;
	unsigned lines, left_out; /* in this second */
};

int log_open(const char *path, bool echo, struct log **out)
{
	struct log *log = calloc(1, sizeof(*log));
	struct stat st;
	int rc;

	if (!log)
		return -ENOMEM;
	tzset(); /* reads /etc/localtime now, while it may */
	log->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0 || fstat(log->fd, &st) < 0) {
		rc = -errno;
		if (log->fd >= 0)
			close(log->fd);
		free(log);
		return rc;
	}
	log->size = st.st_size;
	log->echo = echo;
	pthread_mutex_init(&log->lock, NULL);
	*out = log;
	return 0;
}

void log_close(struct log *log)
{
	if (!log)
		return;
	close(log->fd);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* Keep the newer half, from the start of a line. */
static void shrink(struct log *log)
{
	char *buf = malloc(LOG_MAX / 2), *from;
	ssize_t n;

	if (!buf)
		return;
	n = pread(log->fd, buf, LOG_MAX / 2, log->size - LOG_MAX / 2);
	from = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;
	if (ftruncate(log->fd, 0) == 0) {
		log->size = 0;
		if (from) {
			n -= ++from - buf;
			if (write(log->fd, from, (size_t)n) == n)
				log->size = n;
		}
	}
	free(buf);
}

static void put(struct log *log, const char *line, size_t len)
{
	ssize_t n;

	if (log->size > LOG_MAX)
		shrink(log);
	n = write(log->fd, line, len);
	if (n > 0) /* a full disk loses log lines, nothing else */
		log->size += n;
	if (log->echo && write(STDERR_FILENO, line, len) < 0)
		log->echo = false;
}

static size_t stamp(char *line, size_t size, const struct timespec *now)
{
	struct tm tm;
	size_t n;

	localtime_r(&now->tv_sec, &tm);
	n = strftime(line, size, "%Y-%m-%d %H:%M:%S", &tm);
	return n + (size_t)snprintf(line + n, size - n, ".%03ld ", now->tv_nsec / 1000000);
}

/* false: this second has had its lines. */
static bool in_budget(struct log *log, const struct timespec *now)
{
	char line[128];
	size_t n;

	if (log->second != now->tv_sec) {
		if (log->left_out) {
			n = stamp(line, sizeof(line), now);
			n += (size_t)snprintf(
				line + n, sizeof(line) - n, "(%u lines left out)\n", log->left_out);
			put(log, line, n);
		}
		log->second = now->tv_sec;
		log->lines = log->left_out = 0;
	}
	if (log->lines < LINES_A_SECOND) {
		log->lines++;
		return true;
	}
	log->left_out++;
	return false;
}

void log_line(struct log *log, const char *fmt, ...)
{
	struct timespec now;
	char line[2048];
	size_t n, start;
	va_list ap;
	int len;

	if (!log)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	start = n = stamp(line, sizeof(line), &now);
	va_start(ap, fmt);
	len = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	n += (size_t)len < sizeof(line) - n - 1 ? (size_t)len : sizeof(line) - n - 2;
	for (size_t i = start; i < n; i++) /* guests and clients have a say in the text */
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = line[i] == '\n' ? '|' : '?';
	line[n++] = '\n';
	pthread_mutex_lock(&log->lock);
	if (in_budget(log, &now))
		put(log, line, n);
	pthread_mutex_unlock(&log->lock);
}
