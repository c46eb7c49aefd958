// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "port.h"

#define SYS_PORTS	"/sys/class/virtio-ports"
#define LOOK_EVERY_MS	5

static bool is_ours(const char *node)
{
	char path[300], name[64];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), SYS_PORTS "/%s/name", node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	if (n <= 0)
		return false;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return !strcmp(name, PORT_NAME);
}

/* There may be no udev: /dev/virtio-ports is not to be relied on, sysfs is. */
static int find_port(char *ret, size_t size)
{
	DIR *dir = opendir(SYS_PORTS);
	struct dirent *entry;
	int err = -ENODEV;

	if (!dir)
		return err;
	while (err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_ours(entry->d_name))
			continue;
		snprintf(ret, size, "/dev/%s", entry->d_name);
		err = 0;
	}
	closedir(dir);
	return err;
}

static int try_open(const char *path)
{
	char found[300];
	int fd;

	if (!path) {
		int err = find_port(found, sizeof(found));

		if (err)
			return err;
		path = found;
	}
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int port_open(const char *path, int wait_ms, struct port *ret)
{
	const struct timespec pause = { 0, LOOK_EVERY_MS * NSEC_PER_MSEC };
	uint64_t until = now_ns() + (uint64_t)wait_ms * NSEC_PER_MSEC;
	int fd;

	/* sysfs tells nobody about new entries; the node may follow the entry a little later. */
	while ((fd = try_open(path)) == -ENODEV || fd == -ENOENT || fd == -ENXIO) {
		if (now_ns() >= until)
			return -ENODEV;
		nanosleep(&pause, NULL);
	}
	if (fd < 0)
		return fd;
	*ret = (struct port){ .in = fd, .out = fd };
	return 0;
}

static int set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int port_open_stdio(struct port *ret)
{
	int err = set_nonblock(STDIN_FILENO);

	if (!err)
		err = set_nonblock(STDOUT_FILENO);
	if (err)
		return err;
	*ret = (struct port){ .in = STDIN_FILENO, .out = STDOUT_FILENO, .stdio = true };
	return 0;
}

void port_close(struct port *port)
{
	if (port->in >= 0 && !port->stdio)
		close(port->in);
	port->in = port->out = -1;
}

ssize_t port_read(const struct port *port, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(port->in, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? n : -EPIPE;
}

ssize_t port_write(const struct port *port, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = write(port->out, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
