// SPDX-License-Identifier: GPL-2.0
/*
 * The agent as a process, over pipes: everything it does that needs no kernel
 * of ours. VX_AGENT names the binary, else the one that was just built.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "frame.h"
#include "metrics_msg.h"
#include "wire.h"

#define WAIT_S		20
#define SEC		1000000000ull
#define QUEUE		64

struct message {
	struct vx_frame frame;
	void *payload;
};

static struct {
	pid_t pid;
	int to, from;
	uint32_t epoch;
	uint64_t seq, step_id;
	struct vx_decoder dec;
	struct message queue[QUEUE];
	unsigned int first, count;
	unsigned int samples;	/* that have come */
} agent;
static char dir[] = "/tmp/vexlab-agent-XXXXXX";

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

/* --- the host's end ----------------------------------------------------------- */

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct message *m = &agent.queue[(agent.first + agent.count++) % QUEUE];

	assert_true(agent.count <= QUEUE);
	agent.samples += frame->type == VX_MSG_METRICS;
	m->frame = *frame;
	m->payload = malloc(frame->length + 1u);
	memcpy(m->payload, payload, frame->length);
	((char *)m->payload)[frame->length] = '\0';
}

/* The next frame of this type; others are dropped. To be freed with free(m.payload). */
static struct message expect(uint16_t type)
{
	struct pollfd p = { .fd = agent.from, .events = POLLIN };
	uint64_t until = now_ns() + WAIT_S * SEC;
	char buf[65536];
	ssize_t n;

	for (;;) {
		while (agent.count) {
			struct message m = agent.queue[agent.first];

			agent.first = (agent.first + 1) % QUEUE;
			agent.count--;
			if (m.frame.type == type)
				return m;
			free(m.payload);
		}
		/* It never falls silent: there are heartbeats. */
		assert_true(now_ns() < until);
		assert_int_equal(poll(&p, 1, 5000), 1);
		n = read(agent.from, buf, sizeof(buf));
		assert_true(n > 0);
		vx_decoder_feed(&agent.dec, buf, (size_t)n, on_frame, NULL);
	}
}

static void send_bytes(const void *data, size_t len)
{
	assert_int_equal(write(agent.to, data, len), len);
}

static void request(uint16_t type, const void *payload, size_t len)
{
	struct vx_frame frame;

	vx_frame_seal(&frame, type, agent.epoch, agent.seq++, payload, (uint32_t)len);
	send_bytes(&frame, sizeof(frame));
	if (len)
		send_bytes(payload, len);
}

static void hello(uint32_t epoch)
{
	struct vx_req_hello req = { .protocol = VX_PROTOCOL_VERSION, .epoch = epoch };

	request(VX_REQ_HELLO, &req, sizeof(req));
	agent.epoch = epoch;
	agent.seq = 0;
	vx_decoder_expect(&agent.dec, epoch);
}

struct result {
	struct vx_msg_step msg;
	char *output;			/* NUL-terminated */
	size_t len;
	uint64_t took_ns;
};

static uint64_t start(struct vx_req_step req, const char *const *strings)
{
	void *payload;
	int64_t len;

	req.id = ++agent.step_id;
	len = vx_step_pack(&req, strings, &payload);
	assert_true(len > 0);
	request(VX_REQ_STEP, payload, (size_t)len);
	free(payload);
	return req.id;
}

static struct result finish(uint64_t id)
{
	struct result r = { 0 };
	struct message m;

	m = expect(VX_MSG_STEP);
	assert_true(m.frame.length >= sizeof(r.msg));
	memcpy(&r.msg, m.payload, sizeof(r.msg));
	assert_int_equal(r.msg.id, id);
	r.len = m.frame.length - sizeof(r.msg);
	r.output = malloc(r.len + 1);
	memcpy(r.output, (char *)m.payload + sizeof(r.msg), r.len + 1);
	free(m.payload);
	return r;
}

static struct result step(struct vx_req_step req, const char *const *strings)
{
	uint64_t begun = now_ns();
	struct result r = finish(start(req, strings));

	r.took_ns = now_ns() - begun;
	return r;
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define STEP(code, ...) ((struct vx_req_step){ .op = VX_STEP_##code, ##__VA_ARGS__ })

static void assert_nop_works(void)
{
	struct result r = step(STEP(NOP), NULL);

	assert_int_equal(r.msg.err, 0);
	assert_true(r.msg.start_ns && r.msg.end_ns >= r.msg.start_ns);
	free(r.output);
}

static void assert_log_says(const char *words)
{
	struct message m = expect(VX_MSG_LOG);

	if (!strstr(m.payload, words))
		fail_msg("log says \"%s\", not \"%s\"", (char *)m.payload, words);
	free(m.payload);
}

static int set_up(void **state)
{
	const char *path = getenv("VX_AGENT") ?: VX_TREE "/build/vexlab-agent";
	int to[2], from[2];

	signal(SIGPIPE, SIG_IGN);
	memset(&agent, 0, sizeof(agent));
	assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
	agent.pid = fork();
	assert_true(agent.pid >= 0);
	if (!agent.pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl(path, path, "--stdio", (char *)NULL);
		perror(path);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	agent.to = to[1];
	agent.from = from[0];
	assert_int_equal(vx_decoder_init(&agent.dec), 0);
	return 0;
}

static int tear_down(void **state)
{
	int status;

	/* The end of its input ends the agent, whatever it was doing. */
	close(agent.to);
	assert_int_equal(waitpid(agent.pid, &status, 0), agent.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(agent.from);
	while (agent.count--)
		free(agent.queue[agent.first++ % QUEUE].payload);
	assert_int_equal(agent.dec.stats.bad_bytes, 0);
	assert_int_equal(agent.dec.stats.lost_frames, 0);
	vx_decoder_deinit(&agent.dec);
	return 0;
}

/* --- greeting ------------------------------------------------------------------ */

static void test_hello(void **state)
{
	struct message m = expect(VX_MSG_HELLO);
	struct vx_msg_hello msg;

	assert_int_equal(m.frame.epoch, 0);	/* unasked */
	assert_int_equal(m.frame.seq, 0);
	free(m.payload);
	hello(7);
	m = expect(VX_MSG_HELLO);
	assert_int_equal(m.frame.epoch, 7);
	assert_int_equal(m.frame.seq, 0);
	memcpy(&msg, m.payload, sizeof(msg));
	assert_int_equal(msg.protocol, VX_PROTOCOL_VERSION);
	assert_int_equal(msg.cpus, sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(msg.features & VX_FEATURE_FOREIGN);
	assert_true(msg.monotonic_ns <= now_ns());
	assert_non_null(strstr((char *)m.payload + sizeof(msg), "kernel="));
	free(m.payload);
}

static void test_heartbeat(void **state)
{
	struct vx_msg_heartbeat beat;
	struct message m;
	uint64_t id;

	id = start(STEP(SLEEP, .num = { 1500000000 }), NULL);
	m = expect(VX_MSG_HEARTBEAT);
	memcpy(&beat, m.payload, sizeof(beat));
	free(m.payload);
	assert_int_equal(beat.step, id);
	assert_true(beat.step_ns > 0 && beat.step_ns < 2 * SEC);
	free(finish(id).output);
}

/* --- programs ------------------------------------------------------------------- */

static void test_exec(void **state)
{
	struct result r = step(STEP(EXEC), ARGS("/bin/echo", "$HOME", "two words"));

	assert_int_equal(r.msg.err, 0);
	assert_int_equal(r.msg.value, 0);
	assert_string_equal(r.output, "$HOME two words\n");	/* no shell has seen it */
	free(r.output);
	r = step(STEP(EXEC), ARGS("sh", "-c", "echo oops >&2; exit 7"));
	assert_int_equal(r.msg.value, 7);
	assert_string_equal(r.output, "oops\n");
	free(r.output);
	r = step(STEP(EXEC), ARGS("sh", "-c", "kill -SEGV $$"));
	assert_int_equal(r.msg.value, 128 + SIGSEGV);
	free(r.output);
	r = step(STEP(EXEC), ARGS("/nonexistent"));
	assert_int_equal(r.msg.err, -ENOENT);
	free(r.output);
	r = step(STEP(EXEC), ARGS("cat"));		/* stdin is empty, not ours */
	assert_int_equal(r.msg.value, 0);
	assert_int_equal(r.len, 0);
	free(r.output);
}

static void test_exec_deadline_kills_the_group(void **state)
{
	struct result r = step(STEP(EXEC, .deadline_ns = SEC / 5),
			       ARGS("sh", "-c", "echo begun; sleep 100; echo never"));

	assert_int_equal(r.msg.err, -ETIMEDOUT);
	assert_int_equal(r.msg.value, 128 + SIGKILL);
	assert_true(r.took_ns >= SEC / 5 && r.took_ns < 10 * SEC);
	assert_non_null(strstr(r.output, "begun\n"));
	assert_null(strstr(r.output, "never"));
	assert_non_null(strstr(r.output, "the deadline struck\ntask "));
	free(r.output);
	assert_nop_works();
}

static void test_exec_cancel(void **state)
{
	uint64_t begun = now_ns(), id = start(STEP(EXEC), ARGS("sleep", "100"));
	struct vx_req_cancel cancel = { .id = id + 1 };
	struct timespec pause = { 0, 200000000 };
	struct result r;

	nanosleep(&pause, NULL);
	request(VX_REQ_CANCEL, &cancel, sizeof(cancel));
	assert_log_says("cancel");			/* not that step */
	cancel.id = id;
	request(VX_REQ_CANCEL, &cancel, sizeof(cancel));
	r = finish(id);
	assert_int_equal(r.msg.value, 128 + SIGKILL);
	assert_true(now_ns() - begun < 20 * SEC);
	free(r.output);
}

static void test_exec_background_process_holds_nobody(void **state)
{
	struct result r = step(STEP(EXEC), ARGS("sh", "-c", "sleep 30 & echo done; echo $!"));
	int pid = 0;

	assert_int_equal(r.msg.err, 0);
	assert_true(r.took_ns < 10 * SEC);
	assert_int_equal(sscanf(r.output, "done\n%d", &pid), 1);
	kill(pid, SIGKILL);
	free(r.output);
}

static void test_output_keeps_the_end(void **state)
{
	struct result r = step(STEP(EXEC), ARGS("sh", "-c",
			       "head -c 300000 /dev/zero; printf the-end"));

	assert_int_equal(r.len, VX_STEP_OUTPUT_MAX);
	assert_int_equal(r.msg.output_cut, 300000 + 7 - VX_STEP_OUTPUT_MAX);
	assert_string_equal(r.output + r.len - 7, "the-end");
	free(r.output);
}

/* --- deadlines -------------------------------------------------------------------- */

static void test_stuck_thread_is_left_behind(void **state)
{
	struct result r = step(STEP(SLEEP, .num = { 60 * (int64_t)SEC }, .deadline_ns = SEC / 5),
			       NULL);

	assert_int_equal(r.msg.err, -ETIMEDOUT);
	assert_true(r.took_ns >= SEC / 5 && r.took_ns < 10 * SEC);
	assert_true(r.msg.end_ns - r.msg.start_ns >= SEC / 10);
	assert_non_null(strstr(r.output, "the deadline struck\ntask "));
	assert_non_null(strstr(r.output, "in state S"));
	free(r.output);
	assert_log_says("ended late with EINTR");
	assert_nop_works();
}

static void test_one_step_at_a_time(void **state)
{
	uint64_t first = start(STEP(SLEEP, .num = { SEC / 2 }), NULL);
	struct result r = step(STEP(NOP), NULL);

	assert_int_equal(r.msg.err, -EBUSY);
	free(r.output);
	r = finish(first);
	assert_int_equal(r.msg.err, 0);
	assert_true(r.msg.end_ns - r.msg.start_ns >= SEC / 2);
	free(r.output);
}

/* --- files ------------------------------------------------------------------------ */

static void put(const char *path, uint32_t id, uint64_t offset, const void *data, size_t len,
		uint32_t last)
{
	struct vx_req_put req = {
		.offset = offset, .id = id, .mode = 0750, .last = last,
		.path_len = (uint32_t)strlen(path) + 1,
	};
	char *payload = malloc(sizeof(req) + req.path_len + len);

	memcpy(payload, &req, sizeof(req));
	memcpy(payload + sizeof(req), path, req.path_len);
	memcpy(payload + sizeof(req) + req.path_len, data, len);
	request(VX_REQ_PUT, payload, sizeof(req) + req.path_len + len);
	free(payload);
}

static struct vx_msg_put put_answer(void)
{
	struct message m = expect(VX_MSG_PUT);
	struct vx_msg_put msg;

	assert_int_equal(m.frame.length, sizeof(msg));
	memcpy(&msg, m.payload, sizeof(msg));
	free(m.payload);
	return msg;
}

static void test_put(void **state)
{
	enum { SIZE = 300000, CHUNK = 70000 };
	static char data[SIZE], back[SIZE + 1];
	char path[64], temp[96];
	struct vx_msg_put msg;
	struct stat st;
	size_t at;
	int fd;

	for (at = 0; at < SIZE; at++)
		data[at] = (char)(at * 31 + at / 256);
	snprintf(path, sizeof(path), "%s/module.ko", dir);
	snprintf(temp, sizeof(temp), "%s.vexlab-put", path);
	for (at = 0; at < SIZE; at += CHUNK) {
		size_t len = SIZE - at < CHUNK ? SIZE - at : CHUNK;

		put(path, 5, at, data + at, len, at + len == SIZE);
	}
	msg = put_answer();
	assert_int_equal(msg.err, 0);
	assert_int_equal(msg.id, 5);
	assert_int_equal(msg.size, SIZE);
	assert_int_equal(msg.crc, crc32(0, (unsigned char *)data, SIZE));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), SIZE);
	assert_memory_equal(back, data, SIZE);
	close(fd);
	assert_int_equal(access(temp, F_OK), -1);
}

static void test_put_broken_off(void **state)
{
	char path[64], temp[96];

	snprintf(path, sizeof(path), "%s/broken", dir);
	snprintf(temp, sizeof(temp), "%s.vexlab-put", path);
	put(path, 1, 0, "abc", 3, 0);
	put(path, 1, 4, "e", 1, 0);		/* byte 3 is missing */
	put(path, 1, 5, "f", 1, 1);		/* has had its answer */
	assert_int_equal(put_answer().err, -ESPIPE);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(temp, F_OK), -1);
	put(path, 2, 0, "abc", 3, 1);
	assert_int_equal(put_answer().err, 0);
	assert_int_equal(access(path, F_OK), 0);
	put("relative", 3, 0, "abc", 3, 1);
	assert_int_equal(put_answer().err, -EINVAL);
	put("/nonexistent/dir/file", 4, 0, "abc", 3, 1);
	assert_int_equal(put_answer().err, -ENOENT);
}

static void test_mkdir_read_statfs(void **state)
{
	struct result r;
	char path[64];

	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	r = step(STEP(MKDIR, .num = { 0755 }), ARGS(path));
	assert_int_equal(r.msg.err, 0);
	free(r.output);
	r = step(STEP(MKDIR, .num = { 0755 }), ARGS(path));	/* again */
	assert_int_equal(r.msg.err, 0);
	free(r.output);
	assert_int_equal(access(path, F_OK), 0);
	r = step(STEP(READ), ARGS("/proc/sys/kernel/ostype"));
	assert_int_equal(r.msg.err, 0);
	assert_string_equal(r.output, "Linux\n");
	free(r.output);
	r = step(STEP(READ), ARGS("/nonexistent"));
	assert_int_equal(r.msg.err, -ENOENT);
	free(r.output);
	snprintf(path, sizeof(path), "%s/written", dir);
	r = step(STEP(WRITE), ARGS(path, "c"));
	assert_int_equal(r.msg.err, -ENOENT);	/* nothing is made */
	free(r.output);
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	r = step(STEP(WRITE), ARGS(path, "hello"));
	assert_int_equal(r.msg.err, 0);
	assert_int_equal(r.msg.value, 5);
	free(r.output);
	r = step(STEP(READ), ARGS(path));
	assert_string_equal(r.output, "hello");
	free(r.output);
	unlink(path);
	r = step(STEP(STATFS), ARGS("/proc"));
	assert_int_equal(r.msg.value, 0x9fa0);
	free(r.output);
}

static void test_files(void **state)
{
	struct result r;
	char path[64];

	snprintf(path, sizeof(path), "%s/files", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	r = step(STEP(FILES, .num = { 5, 100000 }), ARGS(path));
	assert_int_equal(r.msg.err, 0);
	assert_true(r.msg.value >= 5 * 8 + 1);	/* create, 2 writes, open, 2 reads, rename, unlink */
	free(r.output);
	assert_int_equal(rmdir(path), 0);	/* nothing is left */
	r = step(STEP(FILES, .num = { 5, 100 }), ARGS(path));
	assert_int_equal(r.msg.err, -ENOENT);
	free(r.output);
	r = step(STEP(FILES, .num = { 1, 10 }), ARGS("/proc"));
	assert_true(r.msg.err < 0);
	assert_non_null(strstr(r.output, "create, file 0: "));
	free(r.output);
}

/* --- nonsense ---------------------------------------------------------------------- */

static void test_nonsense(void **state)
{
	struct vx_req_trace trace = { .groups = ~0u };
	struct vx_frame huge = { .magic = VX_FRAME_MAGIC, .length = ~0u };
	struct vx_req_step bad = { .id = 99, .op = VX_STEP_MOUNT, .nstrings = 50 };
	struct result r;

	send_bytes("rubbish VXL1", 12);
	send_bytes(&huge, sizeof(huge));
	assert_nop_works();
	request(0x33, "abc", 3);
	assert_log_says("unknown request 0x33");
	request(VX_REQ_STEP, "abc", 3);
	assert_log_says("step");
	request(VX_REQ_STEP, &bad, sizeof(bad));	/* an id to answer to */
	r = finish(99);
	assert_int_equal(r.msg.err, -EINVAL);
	free(r.output);
	memset(trace.fstype, 'x', sizeof(trace.fstype));
	request(VX_REQ_TRACE, &trace, sizeof(trace));
	assert_log_says("trace");
	request(VX_REQ_HELLO, "x", 1);
	assert_log_says("hello");
	request(VX_REQ_PUT, "x", 1);
	assert_int_equal(put_answer().err, -EINVAL);
	r = step(STEP(MOUNT), ARGS("only one"));
	assert_int_equal(r.msg.err, -EINVAL);
	free(r.output);
	assert_nop_works();
}

static void test_flush_answers_without_probes(void **state)
{
	struct vx_msg_stats stats;
	struct message m;

	request(VX_REQ_FLUSH, NULL, 0);
	m = expect(VX_MSG_STATS);
	memcpy(&stats, m.payload, sizeof(stats));
	assert_int_equal(m.frame.length, sizeof(stats) + stats.cpus * sizeof(struct vx_cpu_stats));
	free(m.payload);
	m = expect(VX_MSG_FLUSHED);
	assert_int_equal(m.frame.length, 0);
	free(m.payload);
}

/* On this machine's own /proc: samples at the interval, counters that only grow, the step's thread while one runs. */
static void test_metrics(void **state)
{
	const struct vx_req_metrics ask = { .interval_ms = 50 }, stop = { 0 };
	static struct vx_metrics now, before;
	unsigned int i, came, with_tasks = 0;
	struct message m;
	uint64_t id, end;

	request(VX_REQ_METRICS, &ask, sizeof(ask) - 1);
	assert_log_says("metrics");
	request(VX_REQ_METRICS, &ask, sizeof(ask));
	id = start(STEP(SLEEP, .num = { 600000000 }), NULL);
	for (i = 0; i < 10; i++) {
		m = expect(VX_MSG_METRICS);
		assert_int_equal(vx_metrics_read(m.payload, m.frame.length, &now), 0);
		free(m.payload);
		assert_int_equal(now.head.samples, i + 1);
		assert_true(now.head.have & VX_METRICS_STAT && now.head.have & VX_METRICS_MEM);
		assert_true(now.head.mem.total > now.head.mem.available && now.head.mem.available > 0);
		assert_true(now.head.took_ns > 0 && now.head.spent_ns >= now.head.took_ns + before.head.spent_ns);
		assert_true(now.head.monotonic_ns - before.head.monotonic_ns >= 24 * SEC / 1000);
		assert_true(now.head.cpu.user >= before.head.cpu.user && now.head.switches > before.head.switches);
		with_tasks += now.head.step == id && now.head.ntasks >= 1 && now.tasks[0].tid != (uint32_t)agent.pid;
		before = now;
	}
	assert_true(with_tasks >= 5);
	free(finish(id).output);
	/* Stopped: in half a second of heartbeats and steps there is no more. */
	request(VX_REQ_METRICS, &stop, sizeof(stop));
	assert_nop_works();
	came = agent.samples;
	end = now_ns() + SEC / 2;
	while (now_ns() < end)
		assert_nop_works();
	assert_int_equal(agent.samples, came);
}

#define agent_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(test_hello),
		agent_test(test_heartbeat),
		agent_test(test_exec),
		agent_test(test_exec_deadline_kills_the_group),
		agent_test(test_exec_cancel),
		agent_test(test_exec_background_process_holds_nobody),
		agent_test(test_output_keeps_the_end),
		agent_test(test_stuck_thread_is_left_behind),
		agent_test(test_one_step_at_a_time),
		agent_test(test_put),
		agent_test(test_put_broken_off),
		agent_test(test_mkdir_read_statfs),
		agent_test(test_files),
		agent_test(test_nonsense),
		agent_test(test_flush_answers_without_probes),
		agent_test(test_metrics),
	};
	char command[64];
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) || failed;
}
