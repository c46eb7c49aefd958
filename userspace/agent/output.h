/* SPDX-License-Identifier: GPL-2.0 */
/* What a step has to say: its last VX_STEP_OUTPUT_MAX bytes, in memory that was there before it began. */
#ifndef VEXLAB_AGENT_OUTPUT_H
#define VEXLAB_AGENT_OUTPUT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <vexlab/request.h>

struct output {
	size_t len;
	uint64_t cut;			/* bytes that fell out in front */
	char buf[2 * VX_STEP_OUTPUT_MAX];	/* twice: bytes are moved once per full length */
};

void output_add(struct output *out, const void *data, size_t len);
void output_printf(struct output *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void output_vprintf(struct output *out, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Leaves the last VX_STEP_OUTPUT_MAX bytes in buf[0..len). */
void output_trim(struct output *out);

#endif
