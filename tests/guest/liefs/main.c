// SPDX-License-Identifier: GPL-2.0
/* liefs: an honest small filesystem that lies when it is told to. For testing vexlab, nothing else. */
#include <linux/module.h>

#include "liefs.h"

static struct file_system_type liefs_type = {
	.owner			= THIS_MODULE,
	.name			= "liefs",
	.init_fs_context	= liefs_init_context,
	.kill_sb		= liefs_kill_sb,
	.fs_flags		= FS_REQUIRES_DEV,
};

static int __init liefs_init(void)
{
	int err = liefs_init_inodes();

	if (err)
		return err;
	err = register_filesystem(&liefs_type);
	if (err)
		liefs_exit_inodes();
	return err;
}

static void __exit liefs_exit(void)
{
	unregister_filesystem(&liefs_type);
	liefs_exit_inodes();
}

module_init(liefs_init);
module_exit(liefs_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Filesystem that lies on demand");
MODULE_ALIAS_FS("liefs");
