/* SPDX-License-Identifier: GPL-2.0 */
/* vexlab doctor: the part of it that boots a guest (cmd_doctor_guest.c). */
#ifndef VEXLAB_CMD_DOCTOR_H
#define VEXLAB_CMD_DOCTOR_H

#include <glib.h>

/*
 * Boots the guest with this kernel (NULL: the current one), loads every program in it and prints which hooks what, by
 * what means, or why it does not. Returns the exit code: 0, also when programs that one can do without are missing.
 */
int doctor_guest(const char *cachedir, const char *kernel, gboolean json);

#endif
