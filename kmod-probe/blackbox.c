// SPDX-License-Identifier: GPL-2.0
/*
 * The newest events of the flight map, out to the host: into the memory of an
 * ivshmem device, or byte by byte through a port. Nothing here waits, takes a
 * lock or allocates: in a panic nobody would come and help.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/version.h>

#include "vexprobe.h"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define IVSHMEM_BAR	2

static unsigned short port;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "I/O port for the black box where there is no ivshmem device (0: look at the usual one)");

static struct {
	u8 *memory;		/* ivshmem, NULL: none */
	size_t bytes;
	unsigned long busy;
	u32 number;
	char text[VX_BOX_TEXT_MAX];
	struct vx_box head;
} box;

/* Where a box's content goes. */
struct sink {
	void (*put)(struct sink *sink, const void *data, size_t len);
	u8 *to;			/* of memory: the next byte */
	size_t room;
	u32 crc;
	u64 bytes;
};

static void put_memory(struct sink *sink, const void *data, size_t len)
{
	memcpy(sink->to, data, len);
	sink->to += len;
}

static void put_nowhere(struct sink *sink, const void *data, size_t len)
{
}

static void put_port(struct sink *sink, const void *data, size_t len)
{
	outsb(port, data, len);
}

static bool sink_add(struct sink *sink, const void *data, size_t len)
{
	if (len > sink->room)
		return false;
	sink->put(sink, data, len);
	sink->crc = crc32_le(sink->crc, data, len);
	sink->bytes += len;
	sink->room -= len;
	return true;
}

/* --- events ---------------------------------------------------------------- */

static struct vx_flight_slot *slot_of(const struct share *share, u32 cpu, u64 seq)
{
	return &share->map[(size_t)cpu * share->slots + ((seq - 1) & (share->slots - 1))];
}

/* The highest seq of each CPU. A ring is written in order, so it is where the run from slot 0 on ends. */
static void find_newest(const struct share *share, struct vx_box *head)
{
	const struct vx_flight_slot *ring;
	u64 newest, seq;
	u32 cpu, i;

	for (cpu = 0; cpu < share->cpus; cpu++) {
		ring = &share->map[(size_t)cpu * share->slots];
		newest = 0;
		for (i = 0; i < share->slots; i++) {
			seq = READ_ONCE(ring[i].seq);
			if (seq == VX_FLIGHT_BUSY) {
				head->torn++;
				continue;
			}
			if (seq <= newest)
				break;
			newest = seq;
		}
		share->next[cpu] = newest;
		head->recorded += newest;
	}
}

/* The event with this seq, NULL when it is not there any more or not whole. */
static const struct vx_event *event_at(const struct share *share, u32 cpu, u64 seq)
{
	const struct vx_flight_slot *slot = slot_of(share, cpu, seq);
	const struct vx_event *event = (const void *)slot->event;

	if (READ_ONCE(slot->seq) != seq || event->size < sizeof(*event) || event->size % 8 ||
	    event->size > VX_FLIGHT_EVENT_MAX)
		return NULL;
	return event;
}

/* The CPU whose next event is the newest of all; -1: there is none left. */
static int pick(const struct share *share, const struct vx_event **ret)
{
	const struct vx_event *event;
	int best = -1;
	u32 cpu;

	for (cpu = 0; cpu < share->cpus; cpu++) {
		if (!share->next[cpu])
			continue;
		event = event_at(share, cpu, share->next[cpu]);
		if (!event) {
			share->next[cpu] = 0;	/* overwritten, and so is what is older */
			continue;
		}
		if (best < 0 || event->ts > (*ret)->ts) {
			best = cpu;
			*ret = event;
		}
	}
	return best;
}

static void add_events(struct sink *sink, const struct share *share, struct vx_box *head)
{
	const struct vx_event *event = NULL;
	struct vx_box_record record;
	bool full = false;
	int cpu;

	find_newest(share, head);
	while ((cpu = pick(share, &event)) >= 0) {
		record = (struct vx_box_record){ share->next[cpu]--, cpu, event->size };
		full |= sink->room < sizeof(record) + record.size;
		if (full) {
			head->left_out++;
			continue;
		}
		sink_add(sink, &record, sizeof(record));
		sink_add(sink, event, record.size);
		head->records++;
	}
}

/* --- the log ------------------------------------------------------------------ */

/* Its end. Since 5.10 readers take no lock; since 5.14 the iterator is theirs alone. */
static size_t log_text(void)
{
	size_t len = 0;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);
	if (!kmsg_dump_get_buffer(&iter, false, box.text, sizeof(box.text), &len))
		len = 0;
#endif
	return len;
}

/* --- a box ---------------------------------------------------------------------- */

static void fill(struct sink *sink, struct vx_box *head, size_t text)
{
	struct share *share = share_get();

	sink->crc = ~0u;
	sink->room -= text;
	if (share) {
		add_events(sink, share, head);
		share_put();
	}
	sink->room += text;
	if (sink_add(sink, box.text, text))
		head->text_bytes = text;
	head->content_bytes = sink->bytes;
	head->content_crc = ~sink->crc;
}

static void seal(struct vx_box *head)
{
	head->took_ns = ktime_get_mono_fast_ns() - head->ts;
	head->crc = 0;
	head->crc = ~crc32_le(~0u, (const u8 *)head, sizeof(*head));
}

static void write_memory(size_t text)
{
	struct sink sink = {
		.put = put_memory, .to = box.memory + sizeof(box.head),
		.room = box.bytes - sizeof(box.head),
	};

	fill(&sink, &box.head, text);
	seal(&box.head);
	/* Whoever sees the head finds the rest in place. */
	smp_wmb();
	memcpy(box.memory, &box.head, sizeof(box.head));
}

/* Twice over the events, because the head, which tells how many follow, goes first. */
static void write_port(size_t text)
{
	static struct vx_box again;
	struct sink dry = { .put = put_nowhere, .room = VX_BOX_PORT_BYTES };
	struct sink wet = { .put = put_port, .room = VX_BOX_PORT_BYTES };

	fill(&dry, &box.head, text);
	seal(&box.head);
	outsb(port, &box.head, sizeof(box.head));
	memset(&again, 0, sizeof(again));
	fill(&wet, &again, text);
}

void blackbox_write(enum vx_box_reason reason, const struct vx_event_oops *oops)
{
	if (test_and_set_bit(0, &box.busy) && reason != VX_BOX_PANIC)
		return;
	box.head = (struct vx_box){
		.magic = VX_BOX_MAGIC, .version = VX_BOX_VERSION, .head_bytes = sizeof(box.head),
		.reason = reason, .number = ++box.number, .ts = ktime_get_mono_fast_ns(), .oops = *oops,
	};
	if (box.memory)
		write_memory(log_text());
	else if (port)
		write_port(log_text());
	clear_bit(0, &box.busy);
}

/* --- the way out ------------------------------------------------------------------ */

static int shmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	resource_size_t bytes = pci_resource_len(pdev, IVSHMEM_BAR);
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	if (box.memory || bytes <= sizeof(struct vx_box))
		return -ENODEV;
	/* It is the host's memory, not a device's: cached, like our own. */
	box.memory = memremap(pci_resource_start(pdev, IVSHMEM_BAR), bytes, MEMREMAP_WB);
	if (!box.memory)
		return -ENOMEM;
	box.bytes = bytes;
	pci_set_drvdata(pdev, box.memory);
	return 0;
}

static void shmem_remove(struct pci_dev *pdev)
{
	box.memory = NULL;
	memunmap(pci_get_drvdata(pdev));
}

static const struct pci_device_id shmem_ids[] = {
	{ PCI_DEVICE(IVSHMEM_VENDOR, IVSHMEM_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, shmem_ids);

static struct pci_driver shmem_driver = {
	.name		= VX_PROBE_DEVICE,
	.id_table	= shmem_ids,
	.probe		= shmem_probe,
	.remove		= shmem_remove,
};

int __init blackbox_init(void)
{
	int err = pci_register_driver(&shmem_driver);

	if (err)
		return err;
	if (!port && inb(VX_BOX_PORT) == VX_BOX_PORT_THERE)
		port = VX_BOX_PORT;
	if (box.memory)
		pr_info("black box: %zu KiB of shared memory\n", box.bytes >> 10);
	else if (port)
		pr_info("black box: port 0x%x\n", port);
	else
		pr_info("no black box: neither shared memory nor a port\n");
	return 0;
}

void blackbox_exit(void)
{
	pci_unregister_driver(&shmem_driver);
}
