// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "frame.h"
#include "hello.h"
#include <vexlab/request.h>

#ifndef VX_VERSION
#define VX_VERSION "unversioned"
#endif

#define BTF_PATH	"/sys/kernel/btf/vmlinux"
/* init says when it reached what: VEXLAB_BOOT_ROOT_NS=... becomes boot_root_ns=... */
#define BOOT_ENV	"VEXLAB_BOOT_"

struct text {
	size_t len;
	char buf[8192];
};

extern char **environ;

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
	size_t room = sizeof(text->buf) - text->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->buf + text->len, room, format, args);
	va_end(args);
	if (n > 0)
		text->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void hex(char *to, size_t size, const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len && 2 * i + 3 <= size; i++)
		sprintf(to + 2 * i, "%02x", p[i]);
}

/* The linker's build id, from our own program headers. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *arg)
{
	char *ret = arg;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const unsigned char *p = (const unsigned char *)(info->dlpi_addr + ph->p_vaddr);
		const unsigned char *end = p + ph->p_memsz;

		while (ph->p_type == PT_NOTE && p + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *note = (const void *)p;
			const unsigned char *name = p + sizeof(*note);
			const unsigned char *desc = name + (note->n_namesz + 3) / 4 * 4;

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
			    !memcmp(name, "GNU", 4)) {
				hex(ret, 41, desc, note->n_descsz);
				return 1;
			}
			p = desc + (note->n_descsz + 3) / 4 * 4;
		}
	}
	return 1;	/* only ourselves */
}

const char *hello_version(void)
{
	static char version[128];
	char id[41] = "no-build-id";

	if (!version[0]) {
		dl_iterate_phdr(find_build_id, id);
		snprintf(version, sizeof(version), "%s %s", VX_VERSION, id);
	}
	return version;
}

/*
 * The system call works and we have the rights. To load a program for the question
 * would make the kernel parse its BTF now, a tenth of a second of a guest's boot; what
 * really attaches is told by VX_MSG_TRACE.
 */
static bool may_load_bpf(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1,
	};
	uint64_t have;
	long map;

	if (syscall(SYS_capget, &head, data))
		return false;
	have = data[0].effective | (uint64_t)data[1].effective << 32;
	if (!(have & 1ull << CAP_SYS_ADMIN) &&
	    (have & (1ull << CAP_BPF | 1ull << CAP_PERFMON)) !=
	    (1ull << CAP_BPF | 1ull << CAP_PERFMON))
		return false;
	/* Not libbpf's wrapper, which would load programs to find out about the kernel. */
	map = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	if (map < 0)
		return false;
	close((int)map);
	return true;
}

void hello_probe(struct hello *hello)
{
	if (hello->foreign)
		hello->features |= VX_FEATURE_FOREIGN;
	if (!access(BTF_PATH, R_OK))
		hello->features |= VX_FEATURE_BTF;
	if (may_load_bpf())
		hello->features |= VX_FEATURE_TRACE;
}

static void add_file(struct text *text, const char *key, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char line[1024];
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n <= 0)
		return;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	add(text, "%s=%s\n", key, line);
}

static void add_boot_times(struct text *text, const struct hello *hello)
{
	char **env;

	for (env = environ; *env; env++) {
		const char *key = *env + strlen(BOOT_ENV), *eq = strchr(*env, '=');

		if (strncmp(*env, BOOT_ENV, strlen(BOOT_ENV)) || !eq ||
		    strspn(eq + 1, "0123456789") != strlen(eq + 1))
			continue;
		add(text, "boot_");
		for (; key < eq; key++)
			add(text, "%c", tolower((unsigned char)*key));
		add(text, "%s\n", eq);
	}
	add(text, "boot_agent_ns=%llu\n", (unsigned long long)hello->start_boot_ns);
	add(text, "boot_ready_ns=%llu\n", (unsigned long long)hello->ready_boot_ns);
}

static void describe(const struct hello *hello, struct text *text)
{
	struct sysinfo info;
	struct utsname uts;

	uname(&uts);
	add(text, "agent=%s\n", hello_version());
	add(text, "kernel=%s\nversion=%s\nmachine=%s\n", uts.release, uts.version, uts.machine);
	add(text, "btf=%s\n", hello->features & VX_FEATURE_BTF ? "yes" : "no");
	add(text, "uid=%u\npid=%d\n", (unsigned int)geteuid(), getpid());
	if (!sysinfo(&info))
		add(text, "mem_kb=%llu\n", (unsigned long long)info.totalram * info.mem_unit / 1024);
	add_file(text, "delayacct", "/proc/sys/kernel/task_delayacct");
	add_file(text, "boot_id", "/proc/sys/kernel/random/boot_id");
	add_file(text, "taint", "/proc/sys/kernel/tainted");
	add_file(text, "clocksource",
		 "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	add_file(text, "cmdline", "/proc/cmdline");
	add_boot_times(text, hello);
}

void hello_send(const struct hello *hello, struct outbox *out)
{
	struct text text = { 0 };
	struct vx_msg_hello msg = {
		.protocol = VX_PROTOCOL_VERSION,
		.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
		.boot_ns = hello->ready_boot_ns,
		.features = hello->features,
	};
	uint64_t before, after;

	describe(hello, &text);
	before = now_ns();
	msg.realtime_ns = clock_ns(CLOCK_REALTIME);
	after = now_ns();
	msg.monotonic_ns = before + (after - before) / 2;
	outbox_add(out, VX_MSG_HELLO, &msg, sizeof(msg), text.buf, text.len);
}
