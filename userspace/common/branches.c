// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branches.h"

#define BRANCH_MARK	'='

char *vx_branch_pack(uint64_t times, const char *name)
{
	char *text;

	if (strchr(name, VX_BRANCH_SEPARATOR) ||
	    asprintf(&text, "%c%c%" PRIu64 "%c%s", BRANCH_MARK, VX_BRANCH_SEPARATOR, times, VX_BRANCH_SEPARATOR, name) < 0)
		return NULL;
	return text;
}

static void put_expect(FILE *out, const struct vx_inner *inner)
{
	static const char *const words[] = { [VX_INNER_OK] = "ok", [VX_INNER_FAILS] = "fails", [VX_INNER_ANY] = "any" };
	unsigned int i;

	if (!inner->nerrors)
		fprintf(out, "%c%s", VX_BRANCH_SEPARATOR, words[inner->expect]);
	for (i = 0; i < inner->nerrors; i++)
		fprintf(out, "%c%d", i ? ',' : VX_BRANCH_SEPARATOR, inner->errors[i]);
}

char *vx_inner_pack(const struct vx_inner *inner)
{
	const struct vx_req_step *req = &inner->step.req;
	char *text = NULL;
	size_t size, i;
	FILE *out;

	for (i = 0; inner->step.str[i]; i++)
		if (strchr(inner->step.str[i], VX_BRANCH_SEPARATOR))
			return NULL;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fprintf(out, "%u", req->op);
	for (i = 0; i < 4; i++)
		fprintf(out, "%c%" PRId64, VX_BRANCH_SEPARATOR, (int64_t)req->num[i]);
	put_expect(out, inner);
	for (i = 0; inner->step.str[i]; i++)
		fprintf(out, "%c%s", VX_BRANCH_SEPARATOR, inner->step.str[i]);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

bool vx_is_branch(const char *text)
{
	return text[0] == BRANCH_MARK && text[1] == VX_BRANCH_SEPARATOR;
}

static int number(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno || end == text || *end ? -EINVAL : 0;
}

int vx_branch_unpack(const char *text, uint64_t *times, const char **name)
{
	char *end;
	long long n;

	if (!vx_is_branch(text))
		return -EINVAL;
	n = strtoll(text + 2, &end, 10);
	if (n < 1 || *end != VX_BRANCH_SEPARATOR)
		return -EINVAL;
	*times = (uint64_t)n;
	*name = end + 1;
	return 0;
}

static int take_expect(struct vx_inner *inner, char *word)
{
	char *one, *rest = NULL;
	int64_t n;

	inner->expect = !strcmp(word, "ok") ? VX_INNER_OK : !strcmp(word, "any") ? VX_INNER_ANY : VX_INNER_FAILS;
	if (inner->expect != VX_INNER_FAILS || !strcmp(word, "fails"))
		return 0;
	for (one = strtok_r(word, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		if (inner->nerrors == VX_INNER_ERRORS_MAX || number(one, &n) || n < 1 || n > 4095)
			return -EINVAL;
		inner->errors[inner->nerrors++] = (int)n;
	}
	return inner->nerrors ? 0 : -EINVAL;
}

static int take_fields(struct vx_inner *inner)
{
	const char separator[] = { VX_BRANCH_SEPARATOR, '\0' };
	char *rest = inner->text, *field;
	unsigned int i = 0;
	int64_t n;

	while ((field = strsep(&rest, separator))) {
		if (i < 5 && number(field, &n))
			return -EINVAL;
		if (!i && (n <= VX_STEP_NONE || n >= VX_STEP_OPS || n == VX_STEP_PARALLEL))
			return -EINVAL;
		if (!i)
			inner->step.req.op = (uint32_t)n;
		else if (i < 5)
			inner->step.req.num[i - 1] = n;
		else if (i == 5 && take_expect(inner, field))
			return -EINVAL;
		else if (i > 5 && i - 6 >= VX_STEP_STRINGS_MAX)
			return -EINVAL;
		else if (i > 5)
			inner->step.str[inner->step.req.nstrings++] = field;
		i++;
	}
	return i < 6 ? -EINVAL : 0;
}

int vx_inner_unpack(const char *text, struct vx_inner *ret)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->text = strdup(text);
	if (!ret->text)
		return -ENOMEM;
	err = take_fields(ret);
	if (err)
		vx_inner_clear(ret);
	return err;
}

void vx_inner_clear(struct vx_inner *inner)
{
	free(inner->text);
	inner->text = NULL;
}

bool vx_inner_is_as_expected(const struct vx_inner *inner, int err)
{
	unsigned int i;

	if (inner->expect == VX_INNER_ANY)
		return true;
	if (inner->expect == VX_INNER_OK)
		return !err;
	for (i = 0; i < inner->nerrors; i++)
		if (inner->errors[i] == -err)
			return true;
	return err && !inner->nerrors;
}
