/* packet.c - see packet.h. Linux: unix(7), sendmmsg(2). */
#include "vmhost/packet.h"
#include <errno.h>
#include <string.h>

union control {
	char buf[CMSG_SPACE(PACKET_FDS * sizeof(int))];
	struct cmsghdr align;
};

int packet_send(int sock, const void *data, size_t len, const int *fds, unsigned nfds)
{
	union control control = {{0}};
	struct iovec iov = {(void *)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (nfds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EPIPE;
}

int packet_recv(int sock, bool wait, void *data, size_t len, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {data, len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n != (ssize_t)len)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return msg.msg_flags & MSG_CTRUNC ? -EMFILE : 1;
}

static unsigned wire(struct mmsghdr *msg, struct iovec *iov, unsigned n)
{
	if (n > PACKET_BATCH)
		n = PACKET_BATCH;
	memset(msg, 0, n * sizeof(*msg));
	for (unsigned i = 0; i < n; i++) {
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	return n;
}

int packets_send(int sock, struct iovec *iov, unsigned n)
{
	struct mmsghdr msg[PACKET_BATCH];

	return sendmmsg(sock, msg, wire(msg, iov, n), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int packets_recv(int sock, struct iovec *iov, unsigned n, struct mmsghdr *msg)
{
	return recvmmsg(sock, msg, wire(msg, iov, n), MSG_DONTWAIT, NULL);
}
