// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "error.h"
#include "stream.h"
#include "vm_fake.h"

#define FAKE_STATE_LEN	(128 << 10)

enum what { SAYS_CONSOLE, SAYS_CHANNEL, GETS_CHANNEL, DIES };

struct item {
	enum what what;
	GBytes *bytes;
	enum vm_gone why;
};

struct vm {
	const struct vm_config *config;
	const struct vm_fake_script *script;
	struct vm_sink sink;
	GQueue queue;		/* struct item: not yet told */
	GQueue held;		/* GBytes: written while held */
	gsize held_bytes;
	gboolean hold, running, told_gone;
	guint idle;
	struct stream *channel;
};

static void item_free(void *data)
{
	struct item *item = data;

	g_clear_pointer(&item->bytes, g_bytes_unref);
	g_free(item);
}

static void note(struct vm *vm, const char *verb, const char *what)
{
	if (vm->script->calls)
		g_string_append_printf(vm->script->calls, "%s%s%s;", verb, what ? " " : "", what ? what : "");
}

/* FALSE: this was the last, and the VM may be gone. */
static gboolean tell(struct vm *vm, struct item *item)
{
	gsize len = 0;
	const void *data = item->bytes ? g_bytes_get_data(item->bytes, &len) : NULL;

	switch (item->what) {
	case SAYS_CONSOLE:
		vm->sink.console(vm->sink.ctx, data, len);
		return TRUE;
	case SAYS_CHANNEL:
		vm->sink.channel(vm->sink.ctx, data, len);
		return TRUE;
	case GETS_CHANNEL:
		if (vm->script->agent)
			vm->script->agent(vm, item->bytes, vm->script->ctx);
		return TRUE;
	case DIES:
		vm->running = FALSE;
		vm->told_gone = TRUE;
		vm->sink.gone(vm->sink.ctx, item->why);
		return FALSE;
	}
	g_assert_not_reached();
}

static gboolean on_idle(void *data)
{
	struct vm *vm = data;
	struct item *item = g_queue_pop_head(&vm->queue);
	gboolean more = !g_queue_is_empty(&vm->queue);
	guint idle = vm->idle;

	if (!more || item->what == DIES)
		vm->idle = 0;
	/* What it calls may queue more, and start a new source, or free the VM. */
	more &= tell(vm, item);
	item_free(item);
	return more && vm->idle == idle ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void push(struct vm *vm, enum what what, GBytes *bytes, enum vm_gone why)
{
	struct item *item = g_new0(struct item, 1);

	item->what = what;
	item->bytes = bytes;
	item->why = why;
	g_queue_push_tail(&vm->queue, item);
	if (!vm->idle && !vm->told_gone)
		vm->idle = g_idle_add_full(G_PRIORITY_DEFAULT, on_idle, vm, NULL);
}

void vm_fake_console(struct vm *vm, const void *data, gsize len)
{
	push(vm, SAYS_CONSOLE, g_bytes_new(data, len), 0);
}

void vm_fake_send(struct vm *vm, const void *data, gsize len)
{
	push(vm, SAYS_CHANNEL, g_bytes_new(data, len), 0);
}

void vm_fake_die(struct vm *vm, enum vm_gone why)
{
	push(vm, DIES, NULL, why);
}

void vm_fake_hold(struct vm *vm, gboolean hold)
{
	GBytes *bytes;

	vm->hold = hold;
	while (!hold && (bytes = g_queue_pop_head(&vm->held))) {
		vm->held_bytes -= g_bytes_get_size(bytes);
		push(vm, GETS_CHANNEL, bytes, 0);
	}
}

/* --- The driver ------------------------------------------------------------- */

static gboolean fails(struct vm *vm, enum vm_fake_fail what, GError **error)
{
	if (!(vm->script->fail & what))
		return FALSE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the script says that this fails");
	return TRUE;
}

static char *fake_fingerprint(const struct vm_config *config, GError **error)
{
	return g_strdup_printf("fake %u %u", config->memory_mib, config->vcpus);
}

static void fake_destroy(struct vm *vm)
{
	if (!vm)
		return;
	note(vm, "destroy", NULL);
	g_clear_handle_id(&vm->idle, g_source_remove);
	g_queue_clear_full(&vm->queue, item_free);
	g_queue_clear_full(&vm->held, (GDestroyNotify)g_bytes_unref);
	stream_free(vm->channel);
	g_free(vm);
}

static struct vm *fake_create(const struct vm_config *config, const struct vm_sink *sink, GError **error)
{
	static const struct vm_fake_script quiet = { .channel_fd = -1 };
	struct vm *vm = g_new0(struct vm, 1);

	vm->config = config;
	vm->script = config->driver_data ? config->driver_data : &quiet;
	vm->sink = *sink;
	g_queue_init(&vm->queue);
	g_queue_init(&vm->held);
	note(vm, "create", NULL);
	if (!fails(vm, VM_FAKE_FAIL_CREATE, error))
		return vm;
	fake_destroy(vm);
	return NULL;
}

static void on_channel(void *ctx, const void *data, gsize len)
{
	struct vm *vm = ctx;

	vm->sink.channel(vm->sink.ctx, data, len);
}

static void start(struct vm *vm, gboolean restored)
{
	const struct stream_ops ops = { .bytes = on_channel, .ctx = vm };

	vm->running = TRUE;
	if (vm->script->channel_fd >= 0 && !vm->channel)
		vm->channel = stream_adopt(vm->script->channel_fd, &ops);
	if (vm->script->console)
		vm_fake_console(vm, vm->script->console, strlen(vm->script->console));
	if (vm->script->started)
		vm->script->started(vm, restored, vm->script->ctx);
}

static gboolean fake_boot(struct vm *vm, GError **error)
{
	note(vm, "boot", NULL);
	if (fails(vm, VM_FAKE_FAIL_BOOT, error))
		return FALSE;
	start(vm, FALSE);
	return TRUE;
}

/* Longer than a saved state's head, so that its bytes count. */
static gboolean fake_state_write(const char *path, GError **error)
{
	g_autofree char *text = g_malloc(FAKE_STATE_LEN);

	memset(text, '.', FAKE_STATE_LEN);
	memcpy(text, "fake state", strlen("fake state"));
	return g_file_set_contents(path, text, FAKE_STATE_LEN, error);
}

static gboolean fake_save(struct vm *vm, const char *path, GError **error)
{
	note(vm, "save", NULL);
	if (fails(vm, VM_FAKE_FAIL_SAVE, error))
		return FALSE;
	vm->running = FALSE;
	return fake_state_write(path, error);
}

static gboolean read_state(const char *path, GError **error)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, error))
		return FALSE;
	if (g_str_has_prefix(text, "fake state"))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s is not a state that save wrote", path);
	return FALSE;
}

static gboolean fake_restore(struct vm *vm, const char *path, GError **error)
{
	note(vm, "restore", NULL);
	if (fails(vm, VM_FAKE_FAIL_RESTORE, error) || !read_state(path, error))
		return FALSE;
	start(vm, TRUE);
	return TRUE;
}

/* In a thread of its own: what it did is noted when it wakes. */
static gboolean fake_standby(struct vm *vm, const char *path, GError **error)
{
	return !fails(vm, VM_FAKE_FAIL_STANDBY, error) && read_state(path, error);
}

static gboolean fake_wake(struct vm *vm, GError **error)
{
	note(vm, "wake", NULL);
	if (fails(vm, VM_FAKE_FAIL_WAKE, error))
		return FALSE;
	start(vm, TRUE);
	return TRUE;
}

static void fake_kill(struct vm *vm)
{
	note(vm, "kill", NULL);
	g_clear_handle_id(&vm->idle, g_source_remove);
	vm->running = FALSE;
	vm->told_gone = TRUE;
}

static gboolean fake_pause(struct vm *vm, gboolean on, GError **error)
{
	note(vm, on ? "pause" : "resume", NULL);
	return TRUE;
}

static gboolean fake_nmi(struct vm *vm, GError **error)
{
	note(vm, "nmi", NULL);
	return TRUE;
}

static gboolean fake_dump(struct vm *vm, const char *path, gboolean *kdump, GError **error)
{
	note(vm, "dump", NULL);
	if (!vm->running) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the guest does not run");
		return FALSE;
	}
	*kdump = TRUE;
	return g_file_set_contents(path, "KDUMP   fake", -1, error);
}

static gboolean fake_resize_disk(struct vm *vm, unsigned int index, guint64 bytes, GError **error)
{
	g_autofree char *what = g_strdup_printf("%u %" G_GUINT64_FORMAT, index, bytes);

	note(vm, "resize", what);
	return TRUE;
}

static void fake_channel_write(struct vm *vm, GBytes *bytes)
{
	if (!vm->running || vm->told_gone)
		return;
	if (vm->channel) {
		stream_write(vm->channel, bytes);
	} else if (vm->hold) {
		g_queue_push_tail(&vm->held, g_bytes_ref(bytes));
		vm->held_bytes += g_bytes_get_size(bytes);
	} else {
		push(vm, GETS_CHANNEL, g_bytes_ref(bytes), 0);
	}
}

static gsize fake_channel_pending(struct vm *vm)
{
	return vm->channel ? stream_pending(vm->channel) : vm->held_bytes;
}

static gint64 fake_pid(struct vm *vm)
{
	return 0;
}

static char *fake_last_words(struct vm *vm)
{
	return NULL;
}

const struct vm_driver vm_fake = {
	.name = "fake",
	.fingerprint = fake_fingerprint,
	.create = fake_create,
	.destroy = fake_destroy,
	.boot = fake_boot,
	.save = fake_save,
	.restore = fake_restore,
	.standby = fake_standby,
	.wake = fake_wake,
	.kill = fake_kill,
	.pause = fake_pause,
	.nmi = fake_nmi,
	.dump = fake_dump,
	.resize_disk = fake_resize_disk,
	.channel_write = fake_channel_write,
	.channel_pending = fake_channel_pending,
	.pid = fake_pid,
	.last_words = fake_last_words,
};
