// SPDX-License-Identifier: GPL-2.0
/*
 * The agent: the guest's half of vexlab. One thread talks to the host and
 * watches; steps run in another, because the kernel under test may keep or
 * kill whoever calls into it.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent.h"
#include "cleanup.h"
#include "clock.h"
#include "heartbeat.h"
#include "undo.h"

#define PORT_WAIT_MS	10000
#define READ_ROUNDS	16	/* then look at the rest of the world */
#define DELAYACCT	"/proc/sys/kernel/task_delayacct"

struct options {
	const char *port;
	bool stdio, foreign;
};

enum source { SOURCE_PORT, SOURCE_STEPS, SOURCE_RING, SOURCE_BEAT, SOURCE_SIGNAL };

struct loop {
	struct agent *agent;
	int epoll, beat, signals, ring;
	bool readable;		/* the port may have more for us */
	bool stop;
};

static const char usage[] =
	"Usage: vexlab-agent [--port PATH | --stdio] [--foreign]\n"
	"\n"
	"The guest's half of vexlab: carries out what the host asks and sends it what\n"
	"the kernel tells.\n"
	"\n"
	"  --port PATH  talk over this character device (default: the virtio-serial\n"
	"               port named " PORT_NAME ")\n"
	"  --stdio      talk over stdin and stdout\n"
	"  --foreign    this machine is not ours: leave clock and settings alone\n"
	"  --version    version and build id\n"
	"  --help\n";

/* -1: go on, else exit code. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' }, { "stdio", no_argument, NULL, 's' },
		{ "foreign", no_argument, NULL, 'f' }, { "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'p':
			ret->port = optarg;
			break;
		case 's':
			ret->stdio = true;
			break;
		case 'f':
			ret->foreign = true;
			break;
		case 'v':
			printf("vexlab-agent %s\n", hello_version());
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind == argc && !(ret->stdio && ret->port))
		return -1;
	fputs(usage, stderr);
	return EX_USAGE;
}

static void write_setting(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* Not there, or not allowed: then the hello or a flag of the record says what is missing. */
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		return;
}

/*
 * Threads made from now on have their delays accounted; those before never. True: it
 * was off and is on now.
 */
static bool delay_accounting_on(void)
{
	_cleanup_close_ int fd = open(DELAYACCT, O_RDWR | O_CLOEXEC);
	char now = '1';

	if (fd < 0 || read(fd, &now, 1) != 1 || now != '0')
		return false;
	return pwrite(fd, "1\n", 2, 0) == 2;
}

/*
 * In our own guest the agent is the last to go when memory is short. Its pages stay
 * by themselves: the binary lies in the initrd, there is no swap.
 */
static void entrench(void)
{
	write_setting("/proc/self/oom_score_adj", "-1000");
}

static int watch(const struct loop *loop, int fd, uint32_t events, enum source source)
{
	struct epoll_event event = { .events = events, .data.u32 = source };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/*
 * The port edge-triggered: a virtio port without a host is in EPOLLHUP all the time,
 * and wakes us when the host comes or goes. The ring too: when the outbox is full it
 * is left alone though there is something in it.
 */
static int watch_all(struct loop *loop)
{
	const struct agent *agent = loop->agent;
	int err;

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return -errno;
	loop->beat = heartbeat_open();
	if (loop->beat < 0)
		return loop->beat;
	err = watch(loop, agent->port.in, EPOLLIN | EPOLLET | (agent->port.stdio ? 0 : EPOLLOUT),
		    SOURCE_PORT);
	if (!err && agent->port.stdio)
		err = watch(loop, agent->port.out, EPOLLOUT | EPOLLET, SOURCE_PORT);
	if (!err)
		err = watch(loop, steps_fd(agent->steps), EPOLLIN, SOURCE_STEPS);
	if (!err)
		err = watch(loop, loop->beat, EPOLLIN, SOURCE_BEAT);
	if (!err)
		err = watch(loop, loop->signals, EPOLLIN, SOURCE_SIGNAL);
	return err;
}

/* Its descriptor exists from the first VX_REQ_TRACE on. */
static void watch_ring(struct loop *loop)
{
	int fd = probes_ring_fd(loop->agent->drain.probes);

	if (fd == loop->ring)
		return;
	loop->ring = fd;
	if (fd >= 0 && watch(loop, fd, EPOLLIN | EPOLLET, SOURCE_RING))
		agent_log(loop->agent, "cannot watch the ring: it is only polled");
}

static void read_port(struct loop *loop)
{
	static unsigned char buf[64u << 10];
	struct agent *agent = loop->agent;
	int round;

	for (round = 0; round < READ_ROUNDS && loop->readable; round++) {
		uint64_t bad = agent->in.stats.bad_bytes;
		ssize_t n;

		if (outbox_pending(&agent->out) >= OUTBOX_IDLE_LIMIT)
			return;
		n = port_read(&agent->port, buf, sizeof(buf));
		if (n > 0) {
			vx_decoder_feed(&agent->in, buf, (size_t)n, requests_handle, agent);
			if (agent->in.stats.bad_bytes != bad)
				agent_log(agent, "%llu bytes from the host were no sound frame",
					  (unsigned long long)(agent->in.stats.bad_bytes - bad));
			continue;
		}
		loop->readable = false;
		if (n == -EAGAIN)
			return;
		/* Nobody there: the next host starts with a new frame. */
		vx_decoder_reset(&agent->in);
		loop->stop |= agent->port.stdio;
	}
}

static void write_port(struct loop *loop)
{
	struct agent *agent = loop->agent;
	int err = outbox_write(&agent->out, &agent->port);

	/* The port keeps up: what is gathered goes at once. */
	if (!err && outbox_pending(&agent->out)) {
		outbox_seal(&agent->out);
		err = outbox_write(&agent->out, &agent->port);
	}
	if (err && err != -EAGAIN && agent->port.stdio)
		loop->stop = true;
}

static int timeout_ms(const struct loop *loop)
{
	const struct agent *agent = loop->agent;
	uint64_t due = steps_due_ns(agent->steps), drain = drain_due_ns(&agent->drain);
	uint64_t sample = sampler_due_ns(&agent->sampler, agent->steps);
	uint64_t now = now_ns();

	if (loop->readable && outbox_pending(&agent->out) < OUTBOX_IDLE_LIMIT)
		return 0;
	if (drain < due)
		due = drain;
	if (sample < due)
		due = sample;
	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 0 : (int)((due - now) / NSEC_PER_MSEC % 60000) + 1;
}

static void wait_for_work(struct loop *loop)
{
	struct epoll_event events[8];
	int i, n = epoll_wait(loop->epoll, events, 8, timeout_ms(loop));

	for (i = 0; i < n; i++) {
		switch ((enum source)events[i].data.u32) {
		case SOURCE_PORT:
			loop->readable = true;
			break;
		case SOURCE_BEAT:
			heartbeat_send(loop->beat, &loop->agent->out, loop->agent->steps);
			break;
		case SOURCE_SIGNAL:
			loop->stop = true;
			break;
		case SOURCE_STEPS:
		case SOURCE_RING:
			break;	/* looked after on every round */
		}
	}
}

static void serve(struct loop *loop)
{
	struct agent *agent = loop->agent;

	while (!loop->stop) {
		int err;

		wait_for_work(loop);
		read_port(loop);
		steps_check(agent->steps);
		err = drain_work(&agent->drain);
		if (err)
			agent_log(agent, "marks: %s", strerror(-err));
		watch_ring(loop);
		write_port(loop);
		/* After the answers, which it does not hold up. */
		if (sampler_work(&agent->sampler, &agent->out, agent->steps))
			write_port(loop);
	}
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "vexlab-agent: %s: %s\n", what, strerror(-err));
	return err == -ENODEV ? EX_UNAVAILABLE : EX_OSERR;
}

static int run(struct agent *agent, struct loop *loop)
{
	struct steps_callbacks callbacks = requests_step_callbacks;
	int err;

	put_init(&agent->put);
	sampler_init(&agent->sampler);
	err = vx_decoder_init(&agent->in);
	if (!err)
		err = outbox_init(&agent->out);
	if (err)
		return fail("memory", err);
	err = drain_init(&agent->drain, &agent->out);
	if (err)
		return fail("probes", err);
	callbacks.arg = agent;
	callbacks.foreign = agent->hello.foreign;
	err = steps_create(&callbacks, &agent->steps);
	if (err)
		return fail("worker thread", err);
	err = watch_all(loop);
	if (err)
		return fail("waiting for events", err);
	agent->hello.ready_boot_ns = clock_ns(CLOCK_BOOTTIME);
	hello_send(&agent->hello, &agent->out);
	write_port(loop);
	serve(loop);
	return EX_OK;
}

static void clean_up(struct agent *agent)
{
	steps_destroy(agent->steps);
	if (agent->hello.foreign)
		undo_all();
	put_deinit(&agent->put);
	sampler_deinit(&agent->sampler);
	drain_deinit(&agent->drain);
	outbox_deinit(&agent->out);
	vx_decoder_deinit(&agent->in);
	port_close(&agent->port);
}

int main(int argc, char **argv)
{
	static struct agent agent = { .put.fd = -1 };
	struct loop loop = { .agent = &agent, .epoll = -1, .beat = -1, .ring = -1, .readable = true };
	struct options opt = { 0 };
	bool accounting;
	int err, code = parse_options(argc, argv, &opt);

	if (code >= 0)
		return code;
	agent.hello.start_boot_ns = clock_ns(CLOCK_BOOTTIME);
	libbpf_set_print(NULL);
	loop.signals = open_signals();
	err = loop.signals < 0 ? loop.signals : opt.stdio ? port_open_stdio(&agent.port) :
		port_open(opt.port, PORT_WAIT_MS, &agent.port);
	if (err)
		return fail(opt.port ?: opt.stdio ? "stdin and stdout" : "port " PORT_NAME, err);
	agent.hello.foreign = opt.foreign || opt.stdio;
	agent.may_set_clock = !agent.hello.foreign;
	accounting = delay_accounting_on();
	if (!agent.hello.foreign)
		entrench();
	hello_probe(&agent.hello);
	code = run(&agent, &loop);
	clean_up(&agent);
	if (accounting)
		write_setting(DELAYACCT, "0\n");
	return code;
}
