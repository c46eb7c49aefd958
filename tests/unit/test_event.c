// SPDX-License-Identifier: GPL-2.0
/* The door for events: only whole events of known types, in range, with strings that end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "event.h"

struct payload {
	unsigned char data[4096];
	size_t len;
};

static void add_mark(struct payload *p, uint64_t seq)
{
	struct vx_event_mark mark = {
		.head = { .type = VX_EVENT_MARK, .size = sizeof(mark) }, .seq = seq,
	};

	memcpy(p->data + p->len, &mark, sizeof(mark));
	p->len += sizeof(mark);
}

static void add_fsop(struct payload *p, unsigned int op, unsigned int api)
{
	struct vx_event_fsop fsop = {
		.head = { .type = VX_EVENT_FSOP, .size = sizeof(fsop) },
		.op = (uint8_t)op, .api = (uint8_t)api,
	};

	memset(fsop.fstype, 'x', sizeof(fsop.fstype));
	memset(fsop.head.comm, 'y', sizeof(fsop.head.comm));
	memcpy(p->data + p->len, &fsop, sizeof(fsop));
	p->len += sizeof(fsop);
}

static void add_oops(struct payload *p, unsigned int kind, unsigned int frames)
{
	struct vx_event_oops oops = {
		.head = { .type = VX_EVENT_OOPS, .size = sizeof(oops) },
		.kind = (uint8_t)kind, .frames = (uint16_t)frames,
	};

	memset(oops.function, 'f', sizeof(oops.function));
	memset(oops.module, 'm', sizeof(oops.module));
	memset(oops.message, 'x', sizeof(oops.message));
	memset(oops.head.comm, 'y', sizeof(oops.head.comm));
	memcpy(p->data + p->len, &oops, sizeof(oops));
	p->len += sizeof(oops);
}

static void add_head(struct payload *p, uint16_t type, uint16_t size)
{
	struct vx_event head = { .type = type, .size = size };

	memset(p->data + p->len, 0, size > sizeof(head) ? size : sizeof(head));
	memcpy(p->data + p->len, &head, sizeof(head));
	p->len += size;
}

static unsigned int count(const struct payload *p, uint64_t *bad)
{
	struct vx_event_iter it;
	unsigned int n = 0;

	vx_event_iter_init(&it, p->data, p->len);
	while (vx_event_iter_next(&it))
		n++;
	*bad = it.bad;
	return n;
}

static void test_in_order(void **state)
{
	struct payload p = { .len = 0 };
	const struct vx_event *event;
	struct vx_event_iter it;
	uint64_t i;

	for (i = 0; i < 10; i++)
		add_mark(&p, i);
	vx_event_iter_init(&it, p.data, p.len);
	for (i = 0; (event = vx_event_iter_next(&it)); i++)
		assert_int_equal(((const struct vx_event_mark *)event)->seq, i);
	assert_int_equal(i, 10);
	assert_int_equal(it.bad, 0);
}

static void test_strings_end(void **state)
{
	struct payload p = { .len = 0 };
	const struct vx_event_fsop *fsop;
	struct vx_event_iter it;

	add_fsop(&p, VX_OP_MOUNT, VX_API_MOUNT);
	vx_event_iter_init(&it, p.data, p.len);
	fsop = (const void *)vx_event_iter_next(&it);
	assert_non_null(fsop);
	assert_int_equal(strlen(fsop->fstype), VX_FSTYPE_LEN - 1);
	assert_int_equal(strlen(fsop->head.comm), VX_TASK_COMM_LEN - 1);
}

static void test_unknown_type_is_stepped_over(void **state)
{
	struct payload p = { .len = 0 };
	uint64_t bad;

	add_mark(&p, 0);
	add_head(&p, 999, 96);
	add_mark(&p, 1);
	assert_int_equal(count(&p, &bad), 2);
	assert_int_equal(bad, 1);
}

static void test_wrong_size_of_a_known_type(void **state)
{
	struct payload p = { .len = 0 };
	uint64_t bad;

	add_head(&p, VX_EVENT_FSOP, sizeof(struct vx_event_fsop) - 8);
	add_mark(&p, 1);
	assert_int_equal(count(&p, &bad), 1);
	assert_int_equal(bad, 1);
}

static void test_size_that_cannot_be_ends_it(void **state)
{
	static const uint16_t sizes[] = { 0, 8, 47, 49, 65528 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct payload p = { .len = 0 };
		struct vx_event head = { .type = VX_EVENT_MARK, .size = sizes[i] };
		uint64_t bad;

		add_mark(&p, 0);
		memcpy(p.data + p.len, &head, sizeof(head));
		p.len += sizeof(struct vx_event_mark);
		add_mark(&p, 1);
		assert_int_equal(count(&p, &bad), 1);
		assert_int_equal(bad, 1);
	}
}

static void test_every_truncation(void **state)
{
	struct payload p = { .len = 0 };
	uint64_t bad;
	size_t len;

	add_mark(&p, 0);
	add_fsop(&p, VX_OP_UMOUNT, VX_API_UMOUNT);
	for (len = p.len; len--;) {
		p.len = len;
		assert_int_equal(count(&p, &bad), len >= sizeof(struct vx_event_mark));
		assert_int_equal(bad, len != 0 && len != sizeof(struct vx_event_mark));
	}
}

static void test_enums_out_of_range(void **state)
{
	struct payload p = { .len = 0 };
	uint64_t bad;

	add_fsop(&p, VX_OP_NONE, VX_API_MOUNT);
	add_fsop(&p, VX_OP_TYPES, VX_API_MOUNT);
	add_fsop(&p, VX_OP_MOUNT, VX_API_TYPES);
	add_fsop(&p, VX_OP_MOUNT, VX_API_FSMOUNT);
	assert_int_equal(count(&p, &bad), 1);
	assert_int_equal(bad, 3);
}

static void test_oops(void **state)
{
	struct payload p = { .len = 0 };
	const struct vx_event_oops *oops;
	struct vx_event_iter it;
	uint64_t bad;

	add_oops(&p, VX_OOPS_DIE, VX_OOPS_FRAMES);
	vx_event_iter_init(&it, p.data, p.len);
	oops = (const void *)vx_event_iter_next(&it);
	assert_non_null(oops);
	assert_int_equal(strlen(oops->function), sizeof(oops->function) - 1);
	assert_int_equal(strlen(oops->module), sizeof(oops->module) - 1);
	assert_int_equal(strlen(oops->message), sizeof(oops->message) - 1);
	assert_int_equal(strlen(oops->head.comm), sizeof(oops->head.comm) - 1);
	add_oops(&p, VX_OOPS_NONE, 0);
	add_oops(&p, VX_OOPS_KINDS, 0);
	add_oops(&p, VX_OOPS_PANIC, VX_OOPS_FRAMES + 1);
	add_oops(&p, VX_OOPS_PANIC, 0);
	assert_int_equal(count(&p, &bad), 2);
	assert_int_equal(bad, 3);
}

static void test_sizes(void **state)
{
	unsigned int i;

	for (i = VX_EVENT_NONE + 1; i < VX_EVENT_TYPES; i++)
		assert_true(vx_event_size(i) >= sizeof(struct vx_event) && vx_event_size(i) % 8 == 0);
	assert_int_equal(vx_event_size(VX_EVENT_NONE), 0);
	assert_int_equal(vx_event_size(VX_EVENT_TYPES), 0);
	assert_int_equal(vx_event_size(~0u), 0);
}

static void test_every_name_is_there_and_its_own(void **state)
{
	unsigned int i, k;

	for (i = 0; i < VX_PHASE_TYPES; i++) {
		assert_string_not_equal(vx_phase_name(i), "?");
		for (k = 0; k < i; k++)
			assert_string_not_equal(vx_phase_name(i), vx_phase_name(k));
	}
	for (i = VX_OP_NONE + 1; i < VX_OP_TYPES; i++)
		assert_string_not_equal(vx_op_name(i), "?");
	for (i = VX_API_NONE + 1; i < VX_API_TYPES; i++)
		assert_string_not_equal(vx_api_name(i), "?");
	for (i = VX_OOPS_NONE + 1; i < VX_OOPS_KINDS; i++)
		assert_string_not_equal(vx_oops_kind_name(i), "?");
	for (i = 0; i < VX_REGS; i++) {
		assert_string_not_equal(vx_reg_name(i), "?");
		for (k = 0; k < i; k++)
			assert_string_not_equal(vx_reg_name(i), vx_reg_name(k));
	}
	assert_string_equal(vx_reg_name(VX_REGS), "?");
	assert_string_equal(vx_phase_name(VX_PHASE_TYPES), "?");
	assert_string_equal(vx_op_name(~0u), "?");
	assert_string_equal(vx_api_name(VX_API_TYPES), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_strings_end),
		cmocka_unit_test(test_unknown_type_is_stepped_over),
		cmocka_unit_test(test_wrong_size_of_a_known_type),
		cmocka_unit_test(test_size_that_cannot_be_ends_it),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_enums_out_of_range),
		cmocka_unit_test(test_oops),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_every_name_is_there_and_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
