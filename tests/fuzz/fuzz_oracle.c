// SPDX-License-Identifier: GPL-2.0
/* Operation lists are files that users pass: no text breaks the parser, and what it takes is printed and read as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct orc_op *op)
{
	static char line[ORC_LINE_MAX], second[ORC_LINE_MAX];
	struct orc_list list;
	char why[128];
	size_t len = orc_op_print(op, line, sizeof(line));

	if (len >= sizeof(line) - 1 || strlen(line) != len)
		abort();
	if (orc_list_parse(line, len, &list, why, sizeof(why)) || list.n != 1)
		abort();
	orc_op_print(&list.ops[0], second, sizeof(second));
	if (strcmp(line, second))
		abort();
	orc_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct orc_list list;
	char *copy = malloc(size ? size : 1), why[64];
	size_t i;

	/* Of its own size, so that a byte too far is seen. */
	memcpy(copy, data, size);
	if (!orc_list_parse(copy, size, &list, why, sizeof(why))) {
		for (i = 0; i < list.n; i++)
			again(&list.ops[i]);
		orc_list_free(&list);
	} else if (!memchr(why, '\0', sizeof(why))) {
		abort();
	}
	free(copy);
	return 0;
}
