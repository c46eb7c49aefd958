// SPDX-License-Identifier: GPL-2.0
/* RFC 4180: a header, then a line for each operation; lines end in CR LF. */
#include "event.h"
#include "format.h"
#include "text.h"

static void header(GString *out)
{
	guint i;

	g_string_append(out, "realtime_ns,step,step_name,phase,cycle,operation,api,fstype,errno,task,pid,cpu,total_ns");
	for (i = 0; i < VX_PHASE_TYPES; i++)
		g_string_append_printf(out, ",%s_ns", vx_phase_name(i));
	g_string_append(out, ",off_cpu_ns,block_io_wait_ns,io_reads,io_writes,io_read_bytes,io_write_bytes,"
			"slab_bytes,slab_allocs,slab_frees\r\n");
}

static void words(GString *out, const char *const *list, guint n)
{
	guint i;

	for (i = 0; i < n; i++) {
		g_string_append_c(out, ',');
		text_csv(out, list[i]);
	}
}

/* What was not measured is empty, not 0. */
static void measured(GString *out, gboolean valid, guint64 value)
{
	g_string_append_c(out, ',');
	if (valid)
		g_string_append_printf(out, "%" G_GUINT64_FORMAT, value);
}

static void row(GString *out, const struct chronicle *chron, const struct chron_op *op)
{
	const struct chron_step *step = op->step == CHRONICLE_NO_STEP ? NULL :
		&g_array_index(chron->steps, struct chron_step, op->step);
	const char *const of_step[] = { step ? step->name : "", step ? step->phase : "" };
	const char *const of_op[] = { vx_op_name(op->op), vx_api_name(op->api), op->fstype };
	const gboolean slab = op->flags & VX_FSOP_SLAB_VALID, io = op->flags & VX_FSOP_IO_VALID;
	guint i;

	g_string_append_printf(out, "%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT, op->at_ns, op->step_id);
	words(out, of_step, G_N_ELEMENTS(of_step));
	g_string_append_printf(out, ",%" G_GUINT64_FORMAT, op->cycle);
	words(out, of_op, G_N_ELEMENTS(of_op));
	g_string_append_printf(out, ",%d", -op->err);
	words(out, &op->comm, 1);
	g_string_append_printf(out, ",%u,%u,%" G_GUINT64_FORMAT, op->pid, op->cpu, op->total_ns);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		measured(out, TRUE, op->phase_ns[i]);
	measured(out, op->flags & VX_FSOP_OFFCPU_VALID, op->offcpu_ns);
	measured(out, op->flags & VX_FSOP_IOWAIT_VALID, op->blkio_wait_ns);
	measured(out, io, op->io_reads);
	measured(out, io, op->io_writes);
	measured(out, io, op->io_read_bytes);
	measured(out, io, op->io_write_bytes);
	g_string_append_c(out, ',');
	if (slab)
		g_string_append_printf(out, "%" G_GINT64_FORMAT, op->slab_bytes);
	measured(out, slab, op->slab_allocs);
	measured(out, slab, op->slab_frees);
	g_string_append(out, "\r\n");
}

void format_csv(GString *out, const struct report_view *view)
{
	guint i;

	header(out);
	for (i = 0; i < view->chron->ops->len; i++)
		row(out, view->chron, &g_array_index(view->chron->ops, struct chron_op, i));
}

void format_series(GString *out, const struct report_view *view)
{
	const GPtrArray *list = view->chron->series;
	char buf[G_ASCII_DTOSTR_BUF_SIZE];
	guint i, k;

	g_string_append(out, "realtime_ns,series,unit,value\r\n");
	for (i = 0; i < list->len; i++) {
		const struct chron_series *series = g_ptr_array_index(list, i);
		const char *const of_series[] = { series->name, series->unit };

		for (k = 0; k < series->points->len; k++) {
			const struct chron_point *point = &g_array_index(series->points, struct chron_point, k);

			g_string_append_printf(out, "%" G_GUINT64_FORMAT, point->ns);
			words(out, of_series, G_N_ELEMENTS(of_series));
			g_string_append_printf(out, ",%s\r\n", g_ascii_formatd(buf, sizeof(buf), "%.15g", point->value));
		}
	}
}
