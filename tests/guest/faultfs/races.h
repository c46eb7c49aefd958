/* SPDX-License-Identifier: GPL-2.0 */
/* race=NAME: locks used wrongly, and a race; the table is in races.c. What is not asked for does nothing. */
#ifndef FAULTFS_RACES_H
#define FAULTFS_RACES_H

void races_create(void);
void races_rename(void);
void races_unlink(void);
void races_write(void);
void races_fsync(void);

#endif
