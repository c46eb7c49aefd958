// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's PID 1. From the initrd: load the few modules that reach the
 * disks, mount the root filesystem and the kernel's modules read-only, then
 * start the agent and stay to reap. What the guest writes goes to RAM or to
 * the scratch disk.
 *
 * The agent is executed through a file descriptor into the initrd, so that the
 * root image need not know it. Kernel command line: vexlab.agent=off.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEWROOT		"/newroot"
#define DISK_WAIT_MS	5000
#define AGENT_RESTARTS	5
#define VIRTIO_ID_NET	"0x0001"

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("vexlab-init: ", stdout);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	va_end(args);
}

/* A guest that cannot go on ends at once, with the reason as the console's last line. */
static void give_up(const char *what, const char *which)
{
	say("%s %s: %s", what, which, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void mount_or_say(const char *source, const char *target, const char *type,
			 unsigned long flags, const char *data)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, data) && errno != EBUSY)
		say("mount of %s at %s: %s", type, target, strerror(errno));
}

static int read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return -1;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		say("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static void load_module(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		say("module %s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* /modules/LIST: file names, one a line, in loading order. */
static void load_modules(const char *list)
{
	char path[64], line[200];
	FILE *f;

	snprintf(path, sizeof(path), "/modules/%s", list);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			load_module(line);
	}
	fclose(f);
}

static int have_nic(void)
{
	DIR *dir = opendir("/sys/bus/virtio/devices");
	char path[300], id[16];
	struct dirent *e;
	int found = 0;

	while (dir && !found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/device", e->d_name);
		found = !read_line(path, id, sizeof(id)) && !strcmp(id, VIRTIO_ID_NET);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The device node of the disk with this serial, into `ret`. */
static int find_disk(const char *serial, char *ret, size_t size)
{
	DIR *dir = opendir("/sys/block");
	char path[300], have[64];
	struct dirent *e;
	int found = -1;

	while (dir && found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/block/%s/serial", e->d_name);
		if (read_line(path, have, sizeof(have)) || strcmp(have, serial))
			continue;
		snprintf(ret, size, "/dev/%s", e->d_name);
		found = 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void mount_disk(const char *serial, const char *target)
{
	char dev[300];
	int waited;

	for (waited = 0; find_disk(serial, dev, sizeof(dev)); waited += 5) {
		if (waited >= DISK_WAIT_MS) {
			errno = ENODEV;
			give_up("no disk with serial", serial);
		}
		sleep_ms(5);
	}
	if (mount(dev, target, "ext4", MS_RDONLY | MS_NOATIME, "noload"))
		give_up("cannot mount", serial);
}

static void switch_root(void)
{
	static const char *const keep[] = { "/proc", "/sys", "/dev" };
	char target[64];
	size_t i;

	for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
		snprintf(target, sizeof(target), NEWROOT "%s", keep[i]);
		if (mount(keep[i], target, NULL, MS_MOVE, NULL))
			give_up("cannot move", keep[i]);
	}
	if (chdir(NEWROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		give_up("cannot switch to", NEWROOT);
}

/* What every init makes; without /dev/fd, TOMOYO (on in Debian's 5.10) lets nothing be executed by its descriptor. */
static void link_standard_files(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" }, { "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" },
	};
	size_t i;

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) && errno != EEXIST)
			say("link %s: %s", links[i][1], strerror(errno));
}

static void mount_volatile(void)
{
	mount_or_say("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	mount_or_say("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, NULL);
	mount_or_say("tmpfs", "/mnt", "tmpfs", 0, "mode=755");
	mount_or_say("tmpfs", "/vexlab", "tmpfs", 0, "mode=755");
	mount_or_say("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=666");
	mount_or_say("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount_or_say("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	mkdir("/run/sshd", 0755);
}

static int net_up(const char *name, const char *address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = -1;

	if (fd < 0)
		return -1;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	inet_pton(AF_INET, address, &sin.sin_addr);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	if (!ioctl(fd, SIOCSIFADDR, &ifr)) {
		inet_pton(AF_INET, "255.255.255.0", &sin.sin_addr);
		memcpy(&ifr.ifr_netmask, &sin, sizeof(sin));
		ioctl(fd, SIOCSIFNETMASK, &ifr);
		ioctl(fd, SIOCGIFFLAGS, &ifr);
		ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
		err = ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	close(fd);
	return err;
}

/* In a child: sshd may take its time, the agent does not wait for it. */
static void start_sshd(void)
{
	int waited;

	if (fork())
		return;
	for (waited = 0; net_up("eth0", "10.0.2.15") && waited < 2000; waited += 10)
		sleep_ms(10);
	net_up("lo", "127.0.0.1");
	execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-e", (char *)NULL);
	say("sshd: %s", strerror(errno));
	_exit(1);
}

static pid_t start_agent(int fd)
{
	static char *const argv[] = { "vexlab-agent", NULL };
	static char *const envp[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", NULL
	};
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	say("cannot run the agent: %s", strerror(errno));
	_exit(127);
}

static void stay(int agent_fd)
{
	pid_t agent = start_agent(agent_fd);
	int restarts = 0, status;

	for (;;) {
		pid_t pid = wait(&status);

		if (pid < 0 && errno == ECHILD)
			pause();
		if (pid != agent || pid < 0)
			continue;
		say("the agent ended (%s %d)", WIFSIGNALED(status) ? "signal" : "exit status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		if (restarts++ >= AGENT_RESTARTS) {
			say("the agent keeps ending: left alone");
			agent = -1;
			continue;
		}
		sleep_ms(200);
		agent = start_agent(agent_fd);
	}
}

static int agent_wanted(void)
{
	char cmdline[4096] = "";

	read_line("/proc/cmdline", cmdline, sizeof(cmdline));
	return !strstr(cmdline, "vexlab.agent=off");
}

int main(void)
{
	int agent_fd;

	mount_or_say("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount_or_say("proc", "/proc", "proc", 0, NULL);
	mount_or_say("sysfs", "/sys", "sysfs", 0, NULL);
	/* Boot is quiet because each console byte costs; from here on everything is shown. */
	write_file("/proc/sys/kernel/printk", "7 4 1 7\n");
	load_modules("order");
	if (have_nic())
		load_modules("order-net");
	agent_fd = open("/vexlab/agent", O_RDONLY | O_CLOEXEC);
	mkdir(NEWROOT, 0755);
	mount_disk("vexlab-root", NEWROOT);
	mount_disk("vexlab-mods", NEWROOT "/usr/lib/modules");
	switch_root();
	mount_volatile();
	link_standard_files();
	sethostname("vexlab-guest", 12);
	if (have_nic())
		start_sshd();
	if (agent_fd < 0 && agent_wanted())
		say("no agent in the initrd: %s", strerror(ENOENT));
	if (agent_fd >= 0 && agent_wanted())
		stay(agent_fd);
	for (;;)
		if (wait(NULL) < 0)
			pause();
}
