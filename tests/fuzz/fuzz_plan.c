// SPDX-License-Identifier: GPL-2.0
/* Scenario files: whatever stands in one, it is a tree within its bounds, or refused with a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int count;

static void look(const GPtrArray *steps, unsigned int depth)
{
	unsigned int i;

	/* A branch is one more level than it has steps in steps. */
	if (depth > PLAN_DEPTH_MAX + 1)
		abort();
	for (i = 0; i < steps->len; i++) {
		const struct plan_step *step = g_ptr_array_index(steps, i);

		if (!step->name || !step->line || (step->kind == PLAN_WORD && !step->word) ||
		    (step->kind == PLAN_REPEAT && !step->times && !step->budget_ms))
			abort();
		count += step->kind == PLAN_WORD;
		look(step->steps, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GError *error = NULL;
	struct yamlfile *yf = yamlfile_parse("f", (const char *)data, size, &error);
	struct plan *plan = yf ? plan_read(yf, "/f", NULL, &error) : NULL;

	if (!plan && (!error || strncmp(error->message, "f:", 2)))
		abort();
	count = 0;
	if (plan)
		look(plan->steps, 1);
	if (count > PLAN_STEPS_MAX)
		abort();
	g_clear_error(&error);
	plan_free(plan);
	yamlfile_close(yf);
	return 0;
}
