/*
 * packet.h - packets over sockets between processes of one VM: with descriptors, and many at a time. Any
 * thread.
 */
#ifndef VMHOST_PACKET_H
#define VMHOST_PACKET_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PACKET_FDS   2  /* descriptors that may go with one */
#define PACKET_BATCH 32 /* that go in one call */

/** packet_send() - with @nfds descriptors. Return: 0, -EPIPE: nobody takes it. */
int packet_send(int sock, const void *data, size_t len, const int *fds, unsigned nfds);
/** packet_recv() - one of @len bytes, with a descriptor in *@fd, else -1. Return: 1; 0: none now, unless
 * @wait; -EPIPE: the other side has gone, or says something else; -EMFILE: a descriptor was sent, and there is no
 * number left for it here. */
int packet_recv(int sock, bool wait, void *data, size_t len, int *fd);

/** packets_send() - up to PACKET_BATCH, one an element. Never waits. Return: how many went, -1 with errno. */
int packets_send(int sock, struct iovec *iov, unsigned n);
/** packets_recv() - the same; lengths and MSG_TRUNC are in @msg. */
int packets_recv(int sock, struct iovec *iov, unsigned n, struct mmsghdr *msg);

#endif
