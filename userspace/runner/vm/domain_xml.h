/* SPDX-License-Identifier: GPL-2.0 */
/* libvirt's description of a guest, from ours. Pure: no libvirt here. */
#ifndef VEXLAB_DOMAIN_XML_H
#define VEXLAB_DOMAIN_XML_H

#include "vm.h"

#define DOMAIN_CHANNEL	"org.vexlab.agent.0"

struct domain_paths {
	const char *console;	/* unix sockets that we listen at; NULL: libvirt makes its own (remote URIs) */
	const char *channel;
	const char *box;	/* where the black box arrives; NULL: none, whatever the config says */
};

/*
 * `qemu_version` as libvirt counts: major * 1000000 + minor * 1000 + micro; it decides which bugs to step
 * around. Caller frees.
 */
char *domain_xml(const struct vm_config *config, const struct domain_paths *paths, unsigned long qemu_version);

/* The same without what may differ between two runs that can share a saved state. Caller frees. */
char *domain_xml_skeleton(const struct vm_config *config, unsigned long qemu_version);

/* A state can only be restored into a domain of the same UUID, so the name gives it. Caller frees. */
char *domain_uuid(const char *name);

#endif
