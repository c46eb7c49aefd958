/* SPDX-License-Identifier: GPL-2.0 */
/* Where libvirt is and how it is spoken to; only drivers include this. */
#ifndef VEXLAB_VIRT_CONN_H
#define VEXLAB_VIRT_CONN_H

#include <libvirt/libvirt.h>

#include "vm.h"

/* To config->uri, or to the driver in this process with its root in config->rundir. Caller closes. */
virConnectPtr virt_conn_open(const struct vm_config *config, GError **error);
gboolean virt_conn_qemu_version(virConnectPtr conn, unsigned long *ret, GError **error);
/* libvirt's own log in config->rundir says something of each guest that is killed: from here on anew, if it is long. */
void virt_conn_trim_log(const struct vm_config *config);
/* "<what>: <what libvirt said last>" */
void virt_conn_set_error(GError **error, const char *what);

#endif
