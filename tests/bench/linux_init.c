/*
 * linux_init.c - what a Linux guest of the benches runs as its init, with nothing else. Static.
 *
 * Says "@init" on its serial console and waits for a line there; loads the modules of the initramfs, says
 * "@ready" on hvc0; then does what it is told there, a command a line, and ends each with "@done TEXT".
 *	flood MIB	so much onto hvc0
 *	disk OP SIZE COUNT	COUNT accesses of SIZE bytes to /dev/vda past the page cache: OP read, write (both one
 *			after another), rread, rwrite (at random); writes end with a flush
 *	net tx|rx MIB PORT	so much over TCP to or from the host of user networking
 *	log		the kernel's messages
 *	off		power off
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MIB (1ul << 20)

static int out = 1; /* hvc0, once it is there */

static void put(const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(out, buf, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
}

static void say(const char *text)
{
	put(text, strlen(text));
}

static void raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return;
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
}

/* A line of @fd without its end. Return: false at the end of the file. */
static int line(int fd, char *buf, size_t size)
{
	size_t n = 0;

	for (;;) {
		char c;

		if (read(fd, &c, 1) != 1)
			return 0;
		if (c == '\n')
			break;
		if (n + 1 < size)
			buf[n++] = c;
	}
	buf[n] = '\0';
	return 1;
}

static void load_modules(void)
{
	FILE *f = fopen("/modules/order", "r");
	char name[128], path[256];

	while (f && fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		snprintf(path, sizeof(path), "/modules/%s.ko", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			syscall(SYS_finit_module, fd, "", 0);
			close(fd);
		}
	}
	if (f)
		fclose(f);
}

/* ---- commands: NULL, or what failed ---- */

static const char *flood(unsigned long mib)
{
	static char buf[65536];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = i % 80 == 79 ? '\n' : (char)('a' + i % 26);
	for (unsigned long n = 0; n < mib * MIB; n += sizeof(buf))
		put(buf, sizeof(buf));
	return NULL;
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static const char *disk(const char *op, size_t size, unsigned long count)
{
	int is_write = strstr(op, "write") != NULL, at_random = op[0] == 'r' && op[1] != 'e';
	int fd = open("/dev/vda", (is_write ? O_RDWR : O_RDONLY) | O_DIRECT);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	uint64_t seed = 88172645463325252ull;
	void *buf;

	if (fd < 0 || end < (off_t)size || !size || size % 512 || posix_memalign(&buf, 4096, size))
		return "/dev/vda";
	memset(buf, 0x5a, size);
	for (unsigned long i = 0; i < count; i++) {
		uint64_t block = at_random ? next(&seed) : i;
		off_t at = (off_t)(block % ((uint64_t)end / size) * size);
		ssize_t n = is_write ? pwrite(fd, buf, size, at) : pread(fd, buf, size, at);

		if (n != (ssize_t)size)
			return "access";
	}
	if (is_write && fsync(fd) < 0)
		return "fsync";
	free(buf);
	close(fd);
	return NULL;
}

static void address(struct sockaddr *sa, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	inet_pton(AF_INET, text, &in.sin_addr);
	memcpy(sa, &in, sizeof(in));
}

/* The addresses that libslirp gives, without asking. */
static const char *net_up(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct ifreq r = { 0 };

	strcpy(r.ifr_name, "eth0");
	address(&r.ifr_addr, "10.0.2.15");
	if (ioctl(s, SIOCSIFADDR, &r) < 0)
		return "eth0";
	address(&r.ifr_netmask, "255.255.255.0");
	ioctl(s, SIOCSIFNETMASK, &r);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(s, SIOCSIFFLAGS, &r);
	address(&route.rt_dst, "0.0.0.0");
	address(&route.rt_genmask, "0.0.0.0");
	address(&route.rt_gateway, "10.0.2.2");
	ioctl(s, SIOCADDRT, &route);
	close(s);
	return NULL;
}

static const char *net(const char *way, unsigned long mib, unsigned port)
{
	static char buf[65536];
	static int up;
	const char *failed = up++ ? NULL : net_up();
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int s = socket(AF_INET, SOCK_STREAM, 0);
	unsigned long left = mib * MIB;

	if (failed)
		return failed;
	inet_pton(AF_INET, "10.0.2.2", &to.sin_addr);
	if (connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
		return "connect";
	while (left) {
		size_t len = left < sizeof(buf) ? left : sizeof(buf);
		ssize_t n = way[0] == 't' ? write(s, buf, len) : read(s, buf, len);

		if (n <= 0)
			return "transfer";
		left -= (unsigned long)n;
	}
	shutdown(s, SHUT_WR);
	if (way[0] == 't' && read(s, buf, 1) != 1) /* the host has it all */
		return "acknowledgement";
	close(s);
	return NULL;
}

static const char *kernel_log(void)
{
	static char buf[MIB];
	int n = klogctl(3, buf, sizeof(buf));

	if (n > 0)
		put(buf, (size_t)n);
	return NULL;
}

static const char *command(char *text)
{
	char *word[4] = { strtok(text, " ") };
	int n = 0;

	while (word[n] && n < 3)
		word[++n] = strtok(NULL, " ");
	if (n == 2 && !strcmp(word[0], "flood"))
		return flood(strtoul(word[1], NULL, 10));
	if (word[0] && !strcmp(word[0], "log"))
		return kernel_log();
	if (word[0] && !strcmp(word[0], "off"))
		reboot(RB_POWER_OFF);
	if (word[3] && !strcmp(word[0], "disk"))
		return disk(word[1], strtoul(word[2], NULL, 10), strtoul(word[3], NULL, 10));
	if (word[3] && !strcmp(word[0], "net"))
		return net(word[1], strtoul(word[2], NULL, 10), (unsigned)strtoul(word[3], NULL, 10));
	return "no such command";
}

int main(void)
{
	char text[256];
	int con = -1;

	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	raw(0);
	say("@init\n");
	line(0, text, sizeof(text));
	load_modules();
	say("@modules\n");
	while (con < 0) {
		con = open("/dev/hvc0", O_RDWR | O_NOCTTY);
		if (con < 0)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); /* until it is there */
	}
	raw(con);
	out = con;
	say("@ready\n");
	while (line(con, text, sizeof(text))) {
		const char *failed = command(text);

		say(failed ? "\n@done failed: " : "\n@done ok");
		say(failed ? failed : "");
		say("\n");
	}
	for (;;)
		pause();
}
