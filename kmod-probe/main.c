// SPDX-License-Identifier: GPL-2.0
/* vexprobe: what only a module can tell of a dying kernel, and get out of it. */
#include <linux/module.h>

#include "vexprobe.h"

static int __init vexprobe_init(void)
{
	int err;

	err = blackbox_init();
	if (err)
		return err;
	err = share_init();
	if (err)
		goto err_blackbox;
	err = oops_init();
	if (err)
		goto err_share;
	err = nmi_stacks_init();
	if (err)
		goto err_oops;
	return 0;

err_oops:
	oops_exit();
err_share:
	share_exit();
err_blackbox:
	blackbox_exit();
	return err;
}

static void __exit vexprobe_exit(void)
{
	nmi_stacks_exit();
	oops_exit();
	share_exit();
	blackbox_exit();
}

module_init(vexprobe_init);
module_exit(vexprobe_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("vexlab's probe: notifiers as tracepoints, and a black box");
