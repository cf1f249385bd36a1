/*
 * The null forwarder of `packetpath bench peers`: two TAPs, each frame that one is given goes to
 * the other, and nothing else is done with it. What is left is what reading and writing cost.
 *
 *   null-forwarder NETNS-A DEVICE-A NETNS-B DEVICE-B [offloads]
 *
 * NETNS is a path such as /proc/1/fd/20. Prints "ready" when both TAPs are there. One thread for
 * each direction, blocking reads; with `offloads`, super-frames pass with their vnet header as it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "null-forwarder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_tap(const char *netns, const char *name, int offloads)
{
	struct ifreq request = {0};
	int ns = open(netns, O_RDONLY | O_CLOEXEC);
	int fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		fail(netns);
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("/dev/net/tun");
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	request.ifr_flags = IFF_TAP | IFF_NO_PI | (offloads ? IFF_VNET_HDR : 0);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		fail(name);
	if (offloads && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
		fail("TUNSETOFFLOAD");
	return fd;
}

struct direction {
	int from;
	int to;
};

static void *forward(void *argument)
{
	struct direction *way = argument;
	static __thread char frame[1 << 17];

	for (;;) {
		ssize_t length = read(way->from, frame, sizeof frame);

		if (length < 0 && errno != EINTR)
			return NULL;
		/* A refused frame (the other device is down) is lost, as on any wire. */
		if (length > 0 && write(way->to, frame, length) < 0 && errno == EBADFD)
			return NULL;
	}
}

int main(int count, char **words)
{
	struct direction there, back;
	pthread_t other;
	int offloads;

	if (count < 5) {
		fprintf(stderr, "usage: null-forwarder NETNS-A DEVICE-A NETNS-B DEVICE-B [offloads]\n");
		return 2;
	}
	offloads = count > 5;
	there.from = back.to = open_tap(words[1], words[2], offloads);
	there.to = back.from = open_tap(words[3], words[4], offloads);
	printf("ready\n");
	fflush(stdout);
	if (pthread_create(&other, NULL, forward, &back) != 0)
		fail("pthread_create");
	forward(&there);
	return 0;
}
