// SPDX-License-Identifier: GPL-2.0
/* Step requests: what the host packs the agent unpacks, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire.h"

static const struct vx_req_step mount_req = {
	.id = 7, .deadline_ns = 5000000000ull, .op = VX_STEP_MOUNT, .num = { 1, 2, -3, 4 },
};

static void test_round_trip(void **state)
{
	const char *const strings[] = { "/dev/vdc", "/mnt/t", "ext4", "", NULL };
	struct vx_step step;
	void *payload;
	int64_t len = vx_step_pack(&mount_req, strings, &payload);

	assert_true(len > 0);
	assert_int_equal(vx_step_unpack(payload, (size_t)len, &step), 0);
	assert_int_equal(step.req.id, 7);
	assert_int_equal(step.req.nstrings, 4);
	assert_int_equal(step.req.num[2], -3);
	assert_string_equal(step.str[0], "/dev/vdc");
	assert_string_equal(step.str[2], "ext4");
	assert_string_equal(step.str[3], "");
	assert_null(step.str[4]);
	free(payload);
}

static void test_no_strings(void **state)
{
	struct vx_req_step req = { .id = 1, .op = VX_STEP_NOP };
	struct vx_step step;
	void *payload;
	int64_t len = vx_step_pack(&req, NULL, &payload);

	assert_int_equal(len, sizeof(req));
	assert_int_equal(vx_step_unpack(payload, (size_t)len, &step), 0);
	assert_null(step.str[0]);
	free(payload);
}

/* Each one in memory of exactly its size, so that the sanitizer sees a byte too far. */
static void test_every_truncation(void **state)
{
	const char *const strings[] = { "a", "bc", NULL };
	struct vx_step step;
	void *payload, *cut;
	int64_t full = vx_step_pack(&mount_req, strings, &payload), len;

	for (len = 0; len < full; len++) {
		cut = malloc((size_t)len + !len);
		memcpy(cut, payload, (size_t)len);
		assert_int_equal(vx_step_unpack(cut, (size_t)len, &step), -EINVAL);
		free(cut);
	}
	free(payload);
}

static void change(void *payload, size_t offset, uint32_t value)
{
	memcpy((char *)payload + offset, &value, sizeof(value));
}

static void test_fields_out_of_range(void **state)
{
	const char *const strings[] = { "a", NULL };
	struct vx_step step = { .req.id = 99 };
	void *payload;
	size_t len = (size_t)vx_step_pack(&mount_req, strings, &payload);

	change(payload, offsetof(struct vx_req_step, nstrings), VX_STEP_STRINGS_MAX + 1);
	assert_int_equal(vx_step_unpack(payload, len, &step), -EINVAL);
	change(payload, offsetof(struct vx_req_step, nstrings), 2);
	assert_int_equal(vx_step_unpack(payload, len, &step), -EINVAL);
	change(payload, offsetof(struct vx_req_step, nstrings), 0);
	assert_int_equal(vx_step_unpack(payload, len, &step), -EINVAL);
	change(payload, offsetof(struct vx_req_step, nstrings), 1);
	change(payload, offsetof(struct vx_req_step, op), VX_STEP_OPS);
	assert_int_equal(vx_step_unpack(payload, len, &step), -EINVAL);
	change(payload, offsetof(struct vx_req_step, op), VX_STEP_NOP);
	change(payload, offsetof(struct vx_req_step, id), 0);
	assert_int_equal(vx_step_unpack(payload, len, &step), -EINVAL);
	assert_int_equal(step.req.id, 99);	/* untouched on failure */
	free(payload);
}

static void test_too_many_or_too_long(void **state)
{
	const char *many[VX_STEP_STRINGS_MAX + 2] = { NULL };
	const char *two[] = { NULL, NULL };
	char *huge = malloc(VX_FRAME_PAYLOAD_MAX + 1);
	void *payload;
	int i;

	for (i = 0; i <= VX_STEP_STRINGS_MAX; i++)
		many[i] = "x";
	assert_int_equal(vx_step_pack(&mount_req, many, &payload), -E2BIG);
	many[VX_STEP_STRINGS_MAX] = NULL;
	assert_true(vx_step_pack(&mount_req, many, &payload) > 0);
	free(payload);
	memset(huge, 'x', VX_FRAME_PAYLOAD_MAX);
	huge[VX_FRAME_PAYLOAD_MAX] = '\0';
	two[0] = huge;
	assert_int_equal(vx_step_pack(&mount_req, two, &payload), -E2BIG);
	free(huge);
}

static void test_every_operation_has_a_name(void **state)
{
	unsigned int op;

	for (op = VX_STEP_NONE + 1; op < VX_STEP_OPS; op++)
		assert_string_not_equal(vx_step_op_name(op), "?");
	assert_string_equal(vx_step_op_name(VX_STEP_NONE), "?");
	assert_string_equal(vx_step_op_name(VX_STEP_OPS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_no_strings),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_fields_out_of_range),
		cmocka_unit_test(test_too_many_or_too_long),
		cmocka_unit_test(test_every_operation_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
