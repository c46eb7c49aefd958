// SPDX-License-Identifier: GPL-2.0
#include <glib.h>

#include <vexlab/blackbox.h>

#include "domain_xml.h"

/*
 * Devices sit on the root bus at fixed slots: libvirt would give each one a
 * bridge of its own, which costs the guest's kernel time to scan, and a saved
 * state needs the same layout again.
 */
enum slot { SLOT_SERIAL = 2, SLOT_NET = 3, SLOT_DISK0 = 4, SLOT_BOX = 16 };

G_GNUC_PRINTF(2, 3)
static void add(GString *xml, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_markup_vprintf_escaped(format, ap);
	va_end(ap);
	g_string_append(xml, text);
}

static void add_address(GString *xml, unsigned int slot)
{
	add(xml, "<address type='pci' domain='0' bus='0' slot='%u' function='0'/>", slot);
}

char *domain_uuid(const char *name)
{
	g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);

	hex[12] = '5';	/* version: from a name */
	hex[16] = '8';	/* variant: RFC 4122 */
	return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static void add_uuid(GString *xml, const char *name)
{
	g_autofree char *uuid = domain_uuid(name);

	add(xml, "<uuid>%s</uuid>", uuid);
}

static void add_cpu(GString *xml, const struct vm_config *config, unsigned long qemu_version)
{
	if (config->accel == VM_ACCEL_KVM) {
		add(xml, "<cpu mode='host-passthrough' check='none'/>");
		return;
	}
	add(xml, "<cpu mode='maximum' check='none'>");
	/* TCG before QEMU 8 gets cmpxchg16b wrong, and a 6.12 kernel dies of it sooner or later. */
	if (qemu_version < 8000000)
		add(xml, "<feature policy='disable' name='cx16'/>");
	/*
	 * TCG runs a `rep movsb` byte by byte: a kernel that believes in fast string moves copies
	 * three times slower, and boots a second later, than one that unrolls its copies.
	 */
	add(xml, "<feature policy='disable' name='erms'/><feature policy='disable' name='fsrm'/>");
	add(xml, "</cpu>");
}

static void add_boot(GString *xml, const struct vm_config *config)
{
	add(xml, "<os><type arch='x86_64' machine='q35'>hvm</type>");
	if (config->firmware)
		add(xml, "<loader readonly='yes' type='rom'>%s</loader>", config->firmware);
	add(xml, "<kernel>%s</kernel>", config->kernel);
	if (config->initrd)
		add(xml, "<initrd>%s</initrd>", config->initrd);
	if (config->cmdline)
		add(xml, "<cmdline>%s</cmdline>", config->cmdline);
	add(xml, "</os>");
}

static void add_socket(GString *xml, const char *path)
{
	if (path)
		add(xml, "<source mode='connect' path='%s'><reconnect enabled='no'/></source>", path);
}

static void add_streams(GString *xml, const struct domain_paths *paths)
{
	add(xml, "<serial type='%s'>", paths->console ? "unix" : "pty");
	add_socket(xml, paths->console);
	add(xml, "<target type='isa-serial' port='0'/></serial>");
	add(xml, "<controller type='virtio-serial' index='0' ports='2' vectors='4'>");
	add_address(xml, SLOT_SERIAL);
	add(xml, "</controller><channel type='unix'>");
	add_socket(xml, paths->channel);
	add(xml, "<target type='virtio' name='%s'/><address type='virtio-serial' controller='0' bus='0' port='1'/></channel>",
	    DOMAIN_CHANNEL);
}

static void add_disk(GString *xml, const struct vm_config *config, unsigned int index)
{
	const struct vm_disk *disk = &config->disks[index];

	/* Nothing on a guest's disks outlives the run, so nothing needs to reach the host's. */
	add(xml, "<disk type='file' device='disk'><driver name='qemu' type='%s' cache='unsafe' io='%s' discard='unmap'/>"
	    "<source file='%s'/><target dev='vd%c' bus='virtio'/>", disk->format,
	    config->io_uring ? "io_uring" : "threads", disk->path, 'a' + index);
	if (disk->serial)
		add(xml, "<serial>%s</serial>", disk->serial);
	if (disk->readonly)
		add(xml, "<readonly/>");
	add_address(xml, SLOT_DISK0 + index);
	add(xml, "</disk>");
}

/*
 * libvirt's own user network cannot be told restrict=on nor bound to the
 * loopback, and a guest under test gets no way out.
 */
static void add_network(GString *xml, unsigned int ssh_port)
{
	add(xml, "<qemu:commandline><qemu:arg value='-netdev'/>"
	    "<qemu:arg value='user,id=vexnet,restrict=on,hostfwd=tcp:127.0.0.1:%u-:22'/>"
	    "<qemu:arg value='-device'/><qemu:arg value='virtio-net-pci,netdev=vexnet,bus=pcie.0,addr=0x%x,romfile='/>"
	    "</qemu:commandline>", ssh_port, SLOT_NET);
}

/*
 * libvirt's own <shmem> would leave its memory in /dev/shm when we are killed.
 * master=on: it is saved and restored with the guest.
 */
static void add_box(GString *xml, const struct vm_config *config, const char *path)
{
	g_auto(GStrv) parts = g_strsplit(path, ",", -1);
	g_autofree char *escaped = g_strjoinv(",,", parts);	/* as QEMU wants it in an option */

	if (config->box == VM_BOX_SHMEM)
		add(xml, "<qemu:commandline><qemu:arg value='-object'/>"
		    "<qemu:arg value='memory-backend-file,id=vexbox,share=on,size=%u,mem-path=%s'/>"
		    "<qemu:arg value='-device'/>"
		    "<qemu:arg value='ivshmem-plain,memdev=vexbox,master=on,bus=pcie.0,addr=0x%x'/>"
		    "</qemu:commandline>", VX_BOX_SHMEM_BYTES, escaped, SLOT_BOX);
	if (config->box == VM_BOX_PORT)
		add(xml, "<qemu:commandline><qemu:arg value='-chardev'/>"
		    "<qemu:arg value='file,id=vexbox,path=%s'/><qemu:arg value='-device'/>"
		    "<qemu:arg value='isa-debugcon,iobase=0x%x,chardev=vexbox'/></qemu:commandline>",
		    escaped, VX_BOX_PORT);
}

/* Off CPU it follows the host's clock, else a guest that sleeps would skip its time-outs. */
static void add_icount(GString *xml)
{
	add(xml, "<qemu:commandline><qemu:arg value='-icount'/><qemu:arg value='shift=0,sleep=on'/></qemu:commandline>");
}

char *domain_xml(const struct vm_config *config, const struct domain_paths *paths, unsigned long qemu_version)
{
	GString *xml = g_string_new(NULL);

	add(xml, "<domain type='%s' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>%s</name>",
	    config->accel == VM_ACCEL_KVM ? "kvm" : "qemu", config->name);
	add_uuid(xml, config->name);
	add(xml, "<memory unit='MiB'>%u</memory><vcpu>%u</vcpu>", config->memory_mib, config->vcpus);
	add_boot(xml, config);
	add(xml, "<features><acpi/><apic/><smm state='off'/>");
	if (config->vmcoreinfo)
		add(xml, "<vmcoreinfo state='on'/>");
	add(xml, "</features>");
	add_cpu(xml, config, qemu_version);
	add(xml, "<clock offset='utc'/><on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot>"
	    "<on_crash>destroy</on_crash><devices><controller type='usb' model='none'/>"
	    "<controller type='pci' index='0' model='pcie-root'/>");
	for (unsigned int i = 0; i < config->ndisks; i++)
		add_disk(xml, config, i);
	add_streams(xml, paths);
	add(xml, "<memballoon model='none'/></devices>");
	if (config->icount)
		add_icount(xml);
	if (paths->box)
		add_box(xml, config, paths->box);
	if (config->ssh_port)
		add_network(xml, config->ssh_port);
	add(xml, "</domain>");
	return g_string_free(xml, FALSE);
}

char *domain_xml_skeleton(const struct vm_config *config, unsigned long qemu_version)
{
	const struct domain_paths paths = { "console", "channel", config->uri ? NULL : "box" };
	g_autofree struct vm_disk *disks = g_memdup2(config->disks, config->ndisks * sizeof(*disks));
	struct vm_config c = *config;

	for (unsigned int i = 0; i < c.ndisks; i++)
		disks[i].path = "disk";
	c.disks = disks;
	c.kernel = "kernel";
	c.initrd = c.initrd ? "initrd" : NULL;
	c.ssh_port = c.ssh_port ? 1 : 0;
	return domain_xml(&c, &paths, qemu_version);
}
