// SPDX-License-Identifier: GPL-2.0
/* Black boxes, whole, cut, torn and hostile: only whole events in range come out, and nothing is read beyond the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "box.h"

#define TEXT	"Kernel panic - not syncing: of a test\n"

/* A box as kmod-probe writes it, newest first. */
struct made {
	struct vx_box head;
	unsigned char content[8192];
	size_t len;
};

static void add_fsop(struct made *m, uint64_t seq, uint64_t ts)
{
	struct vx_event_fsop fsop = {
		.head = { .type = VX_EVENT_FSOP, .size = sizeof(fsop), .ts = ts }, .op = VX_OP_MOUNT,
	};
	struct vx_box_record record = { seq, 0, sizeof(fsop) };

	memcpy(m->content + m->len, &record, sizeof(record));
	memcpy(m->content + m->len + sizeof(record), &fsop, sizeof(fsop));
	m->len += sizeof(record) + sizeof(fsop);
	m->head.records++;
}

static void seal(struct made *m)
{
	m->head.content_bytes = m->len;
	m->head.content_crc = (uint32_t)crc32(0, m->content, (uInt)m->len);
	m->head.crc = 0;
	m->head.crc = (uint32_t)crc32(0, (const Bytef *)&m->head, sizeof(m->head));
}

static void make(struct made *m, unsigned int events)
{
	struct vx_event_oops *oops = &m->head.oops;

	memset(m, 0, sizeof(*m));
	m->head = (struct vx_box){
		.magic = VX_BOX_MAGIC, .version = VX_BOX_VERSION, .head_bytes = sizeof(m->head),
		.reason = VX_BOX_PANIC, .number = 1,
	};
	oops->head = (struct vx_event){ .type = VX_EVENT_OOPS, .size = sizeof(*oops) };
	oops->kind = VX_OOPS_PANIC;
	for (; events; events--)
		add_fsop(m, events, 1000 * events);
	memcpy(m->content + m->len, TEXT, strlen(TEXT));
	m->len += strlen(TEXT);
	m->head.text_bytes = (uint32_t)strlen(TEXT);
	seal(m);
}

/* In memory of exactly `len` bytes, so that one read too far is seen. */
static enum vx_box_state open_exact(const struct made *m, size_t len, struct vx_box_reader *reader, void **ret)
{
	*ret = malloc(len ? len : 1);
	memcpy(*ret, m, len);
	return vx_box_open(*ret, len, reader);
}

static unsigned int read_all(struct vx_box_reader *reader)
{
	const struct vx_event *event;
	uint64_t last = UINT64_MAX;
	unsigned int n = 0;

	while ((event = vx_box_next(reader))) {
		assert_true(event->ts < last);
		last = event->ts;
		n++;
	}
	return n;
}

static unsigned int count(const struct made *m, size_t len, enum vx_box_state *state, uint64_t *bad)
{
	struct vx_box_reader reader;
	unsigned int n;
	void *data;

	*state = open_exact(m, len, &reader, &data);
	n = read_all(&reader);
	*bad = reader.bad;
	free(data);
	return n;
}

static size_t size_of(const struct made *m)
{
	return sizeof(m->head) + m->len;
}

static void test_whole(void **state)
{
	struct vx_box_reader reader;
	struct made m;
	void *data;

	make(&m, 10);
	assert_int_equal(open_exact(&m, size_of(&m), &reader, &data), VX_BOX_WHOLE);
	assert_true(reader.has_oops);
	assert_int_equal(reader.head.text_bytes, strlen(TEXT));
	assert_memory_equal(reader.text, TEXT, strlen(TEXT));
	assert_int_equal(read_all(&reader), 10);
	assert_int_equal(reader.bad, 0);
	assert_int_equal(reader.record.seq, 1);
	free(data);
}

static void test_nothing_there(void **state)
{
	struct vx_box_reader reader;
	unsigned char zeros[2048] = { 0 };

	assert_int_equal(vx_box_open(zeros, sizeof(zeros), &reader), VX_BOX_EMPTY);
	assert_null(vx_box_next(&reader));
	assert_int_equal(vx_box_open(zeros, 0, &reader), VX_BOX_EMPTY);
	assert_null(vx_box_next(&reader));
}

/* The guest died while it wrote: what had come is read, and it is said. */
static void test_every_cut(void **state)
{
	enum vx_box_state how;
	struct made m;
	uint64_t bad;
	size_t len;

	make(&m, 4);
	for (len = 0; len < size_of(&m); len++) {
		unsigned int n = count(&m, len, &how, &bad), whole = 0;

		if (len < sizeof(m.head)) {
			assert_int_equal(how, VX_BOX_EMPTY);
		} else {
			assert_int_equal(how, VX_BOX_CUT);
			whole = (unsigned int)((len - sizeof(m.head)) / (sizeof(struct vx_box_record) +
									 sizeof(struct vx_event_fsop)));
			assert_int_equal(n, whole > 4 ? 4 : whole);
			assert_int_equal(n + bad, 4);
		}
	}
}

static void test_torn(void **state)
{
	enum vx_box_state how;
	struct made m;
	uint64_t bad;

	make(&m, 4);
	m.content[100] ^= 1;
	assert_int_equal(count(&m, size_of(&m), &how, &bad), 4);
	assert_int_equal(how, VX_BOX_TORN);
}

static void test_head_is_not_believed(void **state)
{
	enum vx_box_state how;
	struct made m;
	uint64_t bad;
	size_t i;

	/* Any bit of it: the checksum tells, or the magic is gone. */
	for (i = 0; i < sizeof(m.head); i++) {
		make(&m, 2);
		((unsigned char *)&m.head)[i] ^= 0x40;
		assert_int_equal(count(&m, size_of(&m), &how, &bad), 0);
		assert_int_equal(how, i < 8 ? VX_BOX_EMPTY : VX_BOX_FOREIGN);
	}
}

static enum vx_box_state with(void (*change)(struct vx_box *), unsigned int *n, uint64_t *bad)
{
	enum vx_box_state how;
	struct made m;

	make(&m, 3);
	change(&m.head);
	m.head.crc = 0;
	m.head.crc = (uint32_t)crc32(0, (const Bytef *)&m.head, sizeof(m.head));
	*n = count(&m, size_of(&m), &how, bad);
	return how;
}

static void many_records(struct vx_box *head) { head->records = UINT32_MAX; }
static void few_records(struct vx_box *head) { head->records = 1; }
static void more_records(struct vx_box *head) { head->records = 4; }
static void huge(struct vx_box *head) { head->content_bytes = UINT64_MAX; }
static void longer(struct vx_box *head) { head->content_bytes += 1; }
static void much_text(struct vx_box *head) { head->text_bytes = UINT32_MAX; }
static void text_over_records(struct vx_box *head) { head->text_bytes = 500; }
static void no_reason(struct vx_box *head) { head->reason = VX_BOX_REASONS; }

/* A head with the right checksum may lie all the same. */
static void test_lies(void **state)
{
	unsigned int n;
	uint64_t bad;

	assert_int_equal(with(many_records, &n, &bad), VX_BOX_FOREIGN);
	assert_int_equal(with(huge, &n, &bad), VX_BOX_FOREIGN);
	assert_int_equal(with(much_text, &n, &bad), VX_BOX_FOREIGN);
	assert_int_equal(with(no_reason, &n, &bad), VX_BOX_FOREIGN);
	assert_int_equal(with(longer, &n, &bad), VX_BOX_CUT);
	assert_int_equal(n, 3);
	assert_int_equal(with(few_records, &n, &bad), VX_BOX_WHOLE);
	assert_int_equal(n, 1);
	with(more_records, &n, &bad);
	assert_int_equal(n, 3);
	assert_int_equal(bad, 1);
	with(text_over_records, &n, &bad);
	assert_int_equal(n, 1);
	assert_int_equal(bad, 2);
}

static void test_bad_records(void **state)
{
	static const uint32_t sizes[] = { 0, 7, 40, 344, 65535, UINT32_MAX - 7 };
	struct vx_box_record record;
	enum vx_box_state how;
	struct made m;
	uint64_t bad;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make(&m, 3);
		memcpy(&record, m.content, sizeof(record));
		record.size = sizes[i];
		memcpy(m.content, &record, sizeof(record));
		seal(&m);
		count(&m, size_of(&m), &how, &bad);
		assert_int_equal(how, VX_BOX_WHOLE);
		assert_true(bad > 0);
	}
	/* An event of no known type is stepped over. */
	make(&m, 3);
	m.content[sizeof(record)] = 99;
	seal(&m);
	assert_int_equal(count(&m, size_of(&m), &how, &bad), 2);
	assert_int_equal(bad, 1);
}

static void test_oops_in_the_head(void **state)
{
	struct vx_box_reader reader;
	struct made m;
	void *data;

	make(&m, 0);
	memset(m.head.oops.message, 'x', sizeof(m.head.oops.message));
	memset(m.head.oops.function, 'y', sizeof(m.head.oops.function));
	seal(&m);
	open_exact(&m, size_of(&m), &reader, &data);
	assert_true(reader.has_oops);
	assert_int_equal(strlen(reader.head.oops.message), VX_OOPS_MESSAGE - 1);
	assert_int_equal(strlen(reader.head.oops.function), VX_NAME_LEN - 1);
	free(data);
	m.head.oops.frames = VX_OOPS_FRAMES + 1;
	seal(&m);
	open_exact(&m, size_of(&m), &reader, &data);
	assert_false(reader.has_oops);
	free(data);
}

static void test_every_state_has_a_name(void **state)
{
	unsigned int i;

	for (i = 0; i < VX_BOX_STATES; i++)
		assert_string_not_equal(vx_box_state_name(i), "?");
	assert_string_equal(vx_box_state_name(VX_BOX_STATES), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_head_is_not_believed),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_oops_in_the_head),
		cmocka_unit_test(test_every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
