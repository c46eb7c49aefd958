// SPDX-License-Identifier: GPL-2.0
#include "format.h"
void format_html(GString *out, const struct report_view *view)
{
	g_string_append(out, "todo");
}
