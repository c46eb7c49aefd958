// SPDX-License-Identifier: GPL-2.0
/* faultfs: a small filesystem that fails when it is told to. For testing vexlab, nothing else. */
#include <linux/module.h>

#include "faultfs.h"
#include "leak.h"

static struct file_system_type faultfs_type = {
	.owner			= THIS_MODULE,
	.name			= "faultfs",
	.init_fs_context	= faultfs_init_context,
	.parameters		= fault_parameters,
	.kill_sb		= faultfs_kill_sb,
	.fs_flags		= FS_REQUIRES_DEV,
};

static int __init faultfs_init(void)
{
	int err = faults_strike(NULL, FAULT_AT_INIT);

	if (err)
		return err;
	leaks_strike(LEAK_AT_INIT, NULL);
	return register_filesystem(&faultfs_type);
}

static void __exit faultfs_exit(void)
{
	unregister_filesystem(&faultfs_type);
	faults_strike(NULL, FAULT_AT_EXIT);
	menu_exit();
	leak_late_exit();
	leak_kinds_exit();
}

module_init(faultfs_init);
module_exit(faultfs_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Filesystem with faults on demand");
MODULE_ALIAS_FS("faultfs");
