// SPDX-License-Identifier: GPL-2.0
/* What a guest says that it injected. What is read must be what is printed again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "injected.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vx_injected done, again;
	char line[VX_INJECTED_LINE_MAX];
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	if (vx_injected_parse(text, &done)) {
		vx_injected_print(&done, line, sizeof(line));
		if (!vx_injected_parse(line, &again) || memcmp(&done, &again, sizeof(done)))
			abort();
	}
	free(text);
	return 0;
}
