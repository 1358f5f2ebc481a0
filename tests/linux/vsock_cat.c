/*
 * vsock_cat.c - for guests in the nested test VM: standard input and output on a vsock connection.
 *
 *   vsock_cat connect CID PORT    vsock_cat listen PORT (one connection)
 *
 * What it reads on standard input goes out, and its end is passed on; what comes in is printed until its end. Status 0
 * when both directions came to their ends; 1 with a message that names the error. Linked statically, so that it
 * runs in an initramfs that has busybox only.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* after sys/socket.h */
#include <linux/vm_sockets.h>

static int fail(const char *what)
{
	fprintf(stderr, "vsock_cat: %s: %s\n", what, strerrorname_np(errno));
	return 1;
}

static int copy_all(int to, const char *buf, ssize_t n)
{
	while (n > 0) {
		ssize_t put = write(to, buf, (size_t)n);

		if (put < 0)
			return -1;
		buf += put;
		n -= put;
	}
	return 0;
}

/* A connection that was reset: poll() says that there is an error, and read() "not connected". */
static int error_of(int s)
{
	socklen_t len = sizeof(errno);

	return getsockopt(s, SOL_SOCKET, SO_ERROR, &errno, &len) < 0 ? -1 : errno;
}

static int talk(int s)
{
	struct pollfd p[2] = {{.fd = s, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
	static char buf[65536];

	while (p[0].fd >= 0) {
		if (poll(p, 2, -1) < 0)
			return fail("poll");
		if (p[0].revents & POLLERR && error_of(s))
			return fail("connection");
		if (p[1].revents) {
			ssize_t n = read(0, buf, sizeof(buf));

			if (n > 0 && copy_all(s, buf, n) < 0)
				return fail("write");
			if (n <= 0) {
				shutdown(s, SHUT_WR);
				p[1].fd = -1;
			}
		}
		if (p[0].revents) {
			ssize_t n = read(s, buf, sizeof(buf));

			if (n < 0)
				return fail("read");
			if (n == 0 || copy_all(1, buf, n) < 0)
				p[0].fd = -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};
	int s = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (s < 0)
		return fail("socket");
	if (argc == 4 && strcmp(argv[1], "connect") == 0) {
		a.svm_cid = (unsigned)strtoul(argv[2], NULL, 0);
		a.svm_port = (unsigned)strtoul(argv[3], NULL, 0);
		return connect(s, (struct sockaddr *)&a, sizeof(a)) < 0 ? fail("connect") : talk(s);
	}
	if (argc == 3 && strcmp(argv[1], "listen") == 0) {
		a.svm_port = (unsigned)strtoul(argv[2], NULL, 0);
		if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0)
			return fail("listen");
		s = accept(s, NULL, NULL);
		return s < 0 ? fail("accept") : talk(s);
	}
	fprintf(stderr, "usage: vsock_cat connect CID PORT | listen PORT\n");
	return 2;
}
