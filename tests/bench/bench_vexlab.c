// SPDX-License-Identifier: GPL-2.0
/*
 * The figures of docs/PERFORMANCE.md: medians, and ratios taken within one run
 * on one guest, what is compared in turn (A B A B ...).
 *
 *	bench_vexlab AGENT [cold|warm|trace|channel|step|restore|metrics]...
 */
#include <signal.h>

#include "guest.h"
#include "ssh.h"

#define MOUNTPOINT "/mnt/target"

static void prepare_ext4(struct bench *b)
{
	const char *mkfs[] = { "mkfs.ext4", "-q", "-F", session_device(b->session), NULL };
	const char *dir[] = { MOUNTPOINT, NULL };

	step(b, VX_STEP_EXEC, mkfs, 0, 0);
	step(b, VX_STEP_MKDIR, dir, 0755, 0);
}

static double cycle(struct bench *b)
{
	const char *mount[] = { session_device(b->session), MOUNTPOINT, "ext4", "", NULL };
	const char *umount[] = { MOUNTPOINT, NULL };

	return step(b, VX_STEP_MOUNT, mount, 0, VX_API_MOUNT) +
	       step(b, VX_STEP_UMOUNT, umount, 0, 0);
}

static double trace(struct bench *b, guint32 groups)
{
	struct vx_req_trace req = { .groups = groups, .reset = 1, .fstype = "ext4" };
	gint64 start = g_get_monotonic_time();
	struct vx_msg_trace msg;
	GError *error = NULL;

	if (!session_trace(b->session, &req, &msg, &error))
		die("trace", error);
	return (double)(g_get_monotonic_time() - start) / 1e3;
}

/* ---- the benches ------------------------------------------------------------------ */

static void bench_start(struct bench *b, gboolean cold)
{
	g_autoptr(GArray) ready = g_array_new(FALSE, FALSE, sizeof(double));
	guint i;

	open_guest(b, FALSE, 0);	/* makes the ready state where there is none */
	close_guest(b);
	for (i = 0; i < (cold ? 5 : 11); i++) {
		double s;

		open_guest(b, cold, 0);
		s = session_ready_ms(b->session) / 1e3;
		g_array_append_val(ready, s);
		close_guest(b);
	}
	row(cold ? "cold boot to the agent's answer" : "warm start to the agent's answer", ready, "s",
	    cold ? "<= 3" : "<= 1");
}

/* Tracing on against off, block by block in one guest. */
/* Pairs of ext4 with probes and without, in turn, block by block. */
struct pairs {
	GArray *on, *off;	/* double: ms, or million instructions */
	GArray *ratios;		/* of the blocks' medians */
};

static GArray *a_block(struct bench *b, guint n)
{
	GArray *block = g_array_new(FALSE, FALSE, sizeof(double));
	guint i;

	cycle(b);
	for (i = 0; i < n; i++) {
		double each;

		b->cpu_ns = 0;
		each = cycle(b);
		each = (b->icount ? b->cpu_ns : each) / 1e6;
		g_array_append_val(block, each);
	}
	return block;
}

static void in_turn(struct bench *b, struct pairs *pairs, guint blocks, guint per_block)
{
	guint i, k;

	for (i = 0; i < blocks; i++) {
		double median[2];

		for (k = 0; k < 2; k++) {
			const gboolean traced = k ^ (i & 1);
			GArray *all = traced ? pairs->on : pairs->off, *block;

			trace(b, traced ? VX_PROBES_MOUNT : 0);
			block = a_block(b, per_block);
			g_array_append_vals(all, block->data, block->len);
			median[traced] = at(block, .5);
			g_array_unref(block);
		}
		median[0] = median[1] / median[0];
		g_array_append_val(pairs->ratios, median[0]);
	}
}

static void bench_trace_by(struct bench *b, gboolean icount)
{
	struct pairs pairs = {
		g_array_new(FALSE, FALSE, sizeof(double)), g_array_new(FALSE, FALSE, sizeof(double)),
		g_array_new(FALSE, FALSE, sizeof(double)),
	};
	guint i;

	b->icount = icount;
	open_guest(b, FALSE, 0);
	prepare_ext4(b);
	for (i = 0; i < 20; i++)
		cycle(b);
	in_turn(b, &pairs, icount ? 6 : 40, 15);
	row(icount ? "ext4 pair, no probes: instructions" : "ext4 mount+umount, no probes", pairs.off,
	    icount ? "10^6" : "ms", "");
	row(icount ? "ext4 pair, traced: instructions" : "ext4 mount+umount, traced", pairs.on,
	    icount ? "10^6" : "ms", "");
	one(icount ? "traced / not, instructions" : "traced / not, ratio of medians",
	    at(pairs.on, .5) / at(pairs.off, .5), "", "<= 1.01");
	row(icount ? "traced / not, instructions, block by block" : "traced / not, ratio block by block",
	    pairs.ratios, "", "<= 1.01");
	close_guest(b);
	b->icount = FALSE;
	g_array_unref(pairs.on);
	g_array_unref(pairs.off);
	g_array_unref(pairs.ratios);
}

/* By the clock, and without its noise. */
static void bench_trace(struct bench *b)
{
	bench_trace_by(b, FALSE);
	bench_trace_by(b, TRUE);
}

static double marks(struct bench *b, guint64 count, guint64 rate)
{
	const struct vx_req_marks req = { .count = count, .cookie = 1, .rate = rate };
	gint64 start = g_get_monotonic_time();
	GError *error = NULL;

	b->marks = 0;
	if (!session_marks(b->session, &req, &error))
		die("marks", error);
	return (double)b->marks / ((double)(g_get_monotonic_time() - start) / 1e6);
}

static void bench_channel(struct bench *b)
{
	const guint64 count = 2000000;
	g_autoptr(GArray) rates = g_array_new(FALSE, FALSE, sizeof(double));
	guint64 lost = 0, missing = 0, storm;
	gint64 start;
	double s;
	guint i;

	open_guest(b, FALSE, 0);
	prepare_ext4(b);
	trace(b, VX_PROBES_MOUNT);
	for (i = 0; i < 5; i++) {
		double rate = marks(b, count, 0);

		g_array_append_val(rates, rate);
		lost += b->lost;
		missing += count - b->marks;
		trace(b, VX_PROBES_MOUNT);
	}
	row("events/s guest to host (64-byte events)", rates, "1/s", ">= 500000");
	one("of 10,000,000 of these: lost in the kernel", (double)lost, "", "0");
	one("of 10,000,000 of these: missing on the host", (double)missing, "", "0");
	start = g_get_monotonic_time();
	for (i = 0; i < 50; i++)
		cycle(b);
	s = (double)(g_get_monotonic_time() - start) / 1e6;
	storm = (guint64)(100 / s) * 10 + 1;
	trace(b, VX_PROBES_MOUNT);
	marks(b, storm * 5, storm);
	one("mount storm, events/s", 100 / s, "1/s", "");
	one("at 10 times that for 5 s: lost", (double)b->lost + (double)(storm * 5 - b->marks), "",
	    "0");
	close_guest(b);
}

static GArray *ssh_times(struct ssh_guest *guest, guint n, gboolean reconnect)
{
	GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
	const char *argv[] = { "true", NULL };
	GError *error = NULL;
	guint i;

	for (i = 0; i < n; i++) {
		SSH_RESULT_CLEAR struct ssh_result result = { 0 };
		gint64 start = g_get_monotonic_time();
		double ms;

		if ((reconnect && !ssh_guest_connect(guest, NULL, &error)) ||
		    !ssh_guest_run(guest, argv, 30000, NULL, &result, &error))
			die("ssh", error);
		ms = (double)(g_get_monotonic_time() - start) / 1e3;
		g_array_append_val(times, ms);
	}
	return times;
}

/* The old way, a command over SSH, against a step of the agent. */
static void bench_step(struct bench *b)
{
	const guint port = 20000 + (guint)g_random_int_range(0, 20000);
	const struct ssh_config ssh = {
		.host = "127.0.0.1", .port = port, .key = b->image->ssh_key,
		.known_hosts = b->image->known_hosts, .retries = 20,
	};
	g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(double));
	GArray *connect, *exec;
	struct ssh_guest *guest;
	GError *error = NULL;
	guint i;

	open_guest(b, TRUE, port);
	for (i = 0; i < 500; i++) {
		gint64 start = g_get_monotonic_time();
		double ms;

		step(b, VX_STEP_NOP, NULL, 0, 0);
		ms = (double)(g_get_monotonic_time() - start) / 1e3;
		g_array_append_val(steps, ms);
	}
	guest = ssh_guest_new(&ssh, &error);
	if (!guest || !ssh_guest_connect(guest, NULL, &error))
		die("ssh", error);
	exec = ssh_times(guest, 20, FALSE);
	connect = ssh_times(guest, 5, TRUE);
	row("agent step, round trip", steps, "ms", "");
	row("SSH command on an open session", exec, "ms", "");
	row("SSH connect and command", connect, "ms", "");
	one("SSH command (open session) / agent step", at(exec, .5) / at(steps, .5), "x", "");
	one("SSH connect and command / agent step", at(connect, .5) / at(steps, .5), "x", "");
	ssh_guest_free(guest);
	g_array_unref(exec);
	g_array_unref(connect);
	close_guest(b);
}

#define RESTORES 20

static double since(gint64 start)
{
	return (double)(g_get_monotonic_time() - start) / 1e3;
}

/* QEMU is killed, as after a crash; until the next step has run. */
static void times_back(struct bench *b, const char *what, gboolean settle, const char *goal)
{
	g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(double));
	GError *error = NULL;
	guint i;

	for (i = 0; i < RESTORES; i++) {
		const char *point = settle || i % 2 ? "mounted" : "formatted";
		gint64 start;
		double ms;

		session_point_settle(b->session);
		kill((pid_t)vm_libvirt.pid(session_vm(b->session)), SIGKILL);
		start = g_get_monotonic_time();
		if (!session_point_back(b->session, point, &error))
			die("restore", error);
		step(b, VX_STEP_NOP, NULL, 0, 0);
		ms = since(start);
		g_array_append_val(times, ms);
	}
	row(what, times, "ms", goal);
}

static void bench_restore(struct bench *b)
{
	const char *mount[] = { NULL, MOUNTPOINT, "ext4", "", NULL };
	g_autoptr(GArray) made = g_array_new(FALSE, FALSE, sizeof(double));
	GError *error = NULL;
	guint i;

	open_guest(b, FALSE, 0);
	prepare_ext4(b);
	mount[0] = session_device(b->session);
	for (i = 0; i < RESTORES; i++) {
		gint64 start;
		double ms;

		if (i == 1)
			step(b, VX_STEP_MOUNT, mount, 0, VX_API_MOUNT);
		session_point_settle(b->session);
		start = g_get_monotonic_time();
		if (!session_point_make(b->session, i ? "mounted" : "formatted", &error))
			die("point", error);
		ms = since(start);
		g_array_append_val(made, ms);
	}
	row("point made, until the guest goes on", made, "ms", "");
	times_back(b, "QEMU killed to next step, latest point", TRUE, "<= 300");
	times_back(b, "QEMU killed to next step, another point", FALSE, "");
	close_guest(b);
}

/* ---- sampling --------------------------------------------------------------------------------- */

#define SAMPLED_S	20

/* What it took in this stretch: % of one CPU, and each sample. */
static void tell_samples(const struct bench *b, const char *share, const char *each)
{
	g_autoptr(GArray) took = g_array_new(FALSE, FALSE, sizeof(double));
	const struct vx_msg_metrics *first, *last;
	guint i;

	if (b->samples->len < 2)
		die("no samples", NULL);
	first = &g_array_index(b->samples, struct vx_msg_metrics, 0);
	last = &g_array_index(b->samples, struct vx_msg_metrics, b->samples->len - 1);
	for (i = 1; i < b->samples->len; i++) {
		const double us = (double)g_array_index(b->samples, struct vx_msg_metrics, i).took_ns / 1e3;

		g_array_append_val(took, us);
	}
	one(share, 100 * (double)(last->spent_ns - first->spent_ns) / (double)(last->monotonic_ns - first->monotonic_ns), "%", "<= 0.5");
	row(each, took, b->icount ? "10^3" : "us", "");
}

/* At rest, then between mounts, where one is made at the end of a step as well. */
static void bench_metrics_by(struct bench *b, gboolean icount)
{
	gint64 until;

	b->icount = icount;
	b->samples = g_array_new(FALSE, FALSE, sizeof(struct vx_msg_metrics));
	open_guest(b, FALSE, 0);
	prepare_ext4(b);
	step(b, VX_STEP_SLEEP, NULL, (gint64)3e9, 0);
	g_array_set_size(b->samples, 0);
	step(b, VX_STEP_SLEEP, NULL, SAMPLED_S * (gint64)1e9, 0);
	tell_samples(b, icount ? "sampling each 500 ms, idle: instructions" : "sampling each 500 ms, guest idle",
		     icount ? "one sample: instructions" : "one sample, guest idle");
	g_array_set_size(b->samples, 0);
	for (until = g_get_monotonic_time() + SAMPLED_S * G_USEC_PER_SEC; g_get_monotonic_time() < until;)
		cycle(b);
	tell_samples(b, icount ? "the same between mounts: instructions" : "sampling each 500 ms, between mounts",
		     icount ? "one sample between mounts: instructions" : "one sample, between mounts");
	close_guest(b);
	g_clear_pointer(&b->samples, g_array_unref);
	b->icount = FALSE;
}

static void bench_metrics(struct bench *b)
{
	bench_metrics_by(b, FALSE);
	bench_metrics_by(b, TRUE);
}

static void run_named(struct bench *b, const char *name)
{
	if (!strcmp(name, "cold"))
		bench_start(b, TRUE);
	else if (!strcmp(name, "warm"))
		bench_start(b, FALSE);
	else if (!strcmp(name, "trace"))
		bench_trace(b);
	else if (!strcmp(name, "channel"))
		bench_channel(b);
	else if (!strcmp(name, "step"))
		bench_step(b);
	else if (!strcmp(name, "restore"))
		bench_restore(b);
	else if (!strcmp(name, "metrics"))
		bench_metrics(b);
	else
		die(name, NULL);
}

int main(int argc, char **argv)
{
	static const char *const all[] = { "cold", "warm", "trace", "channel", "step", "restore", "metrics" };
	struct bench b = { 0 };
	int i;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_vexlab AGENT [cold|warm|trace|channel|step|restore|metrics]...\n");
		return EX_USAGE;
	}
	bench_init(&b, argv[1]);
	head();
	if (argc == 2)
		for (i = 0; i < (int)G_N_ELEMENTS(all); i++)
			run_named(&b, all[i]);
	for (i = 2; i < argc; i++)
		run_named(&b, argv[i]);
	bench_clear(&b);
	return 0;
}
