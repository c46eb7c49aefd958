// SPDX-License-Identifier: GPL-2.0
#include <linux/kallsyms.h>
#include <linux/kdebug.h>
#include <linux/kernel.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "vexprobe.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define FRAMES_WALKED	(VX_OOPS_FRAMES + 24)	/* the notifier's own and the exception's come first */

/* Not on the stack: it may be the stack that has run out. */
struct scratch {
	struct vx_event_oops oops;
	unsigned long frames[FRAMES_WALKED];
	char symbol[KSYM_SYMBOL_LEN];
	/* The last that died here: a panic by the same task is of the same cause. */
	struct vx_event_oops died;
	const struct task_struct *died_task;
};
static DEFINE_PER_CPU(struct scratch, scratch);

static void fill_head(struct vx_event *head)
{
	head->type = VX_EVENT_OOPS;
	head->size = sizeof(struct vx_event_oops);
	head->cpu = raw_smp_processor_id();
	head->ts = ktime_get_mono_fast_ns();
	head->pid = current->pid;
	head->tgid = current->tgid;
	memcpy(head->comm, current->comm, sizeof(head->comm));
}

/* "name+0x12/0x345 [module]", or "0xffff..." when there is no name. */
static void fill_symbol(struct vx_event_oops *oops, char *text)
{
	char *plus, *module, *end;

	if (!oops->ip)
		return;
	sprint_symbol(text, oops->ip);
	plus = strchr(text, '+');
	if (!plus)
		return;
	*plus++ = '\0';
	strscpy(oops->function, text, sizeof(oops->function));
	if (sscanf(plus, "0x%x/0x%x", &oops->offset, &oops->size) != 2)
		oops->offset = oops->size = 0;
	module = strchr(plus, '[');
	if (!module)
		return;
	end = strpbrk(++module, " ]");
	if (end)
		*end = '\0';
	strscpy(oops->module, module, sizeof(oops->module));
}

/* From `ip` on, if it is among them: what lies before is how we came to be told. */
static void fill_stack(struct vx_event_oops *oops, unsigned long *frames)
{
	unsigned int n = stack_trace_save(frames, FRAMES_WALKED, 1), first = 0, i;

	for (i = 0; i < n && oops->ip; i++) {
		if (frames[i] == oops->ip) {
			first = i;
			break;
		}
	}
	oops->frames = min_t(unsigned int, n - first, VX_OOPS_FRAMES);
	for (i = 0; i < oops->frames; i++)
		oops->stack[i] = frames[first + i];
	if (n - first > VX_OOPS_FRAMES || n == FRAMES_WALKED)
		oops->flags |= VX_OOPS_STACK_CUT;
}

static void fill_regs(struct vx_event_oops *oops, const struct pt_regs *regs)
{
	u64 *to = oops->regs;

	to[VX_REG_R15] = regs->r15;
	to[VX_REG_R14] = regs->r14;
	to[VX_REG_R13] = regs->r13;
	to[VX_REG_R12] = regs->r12;
	to[VX_REG_BP] = regs->bp;
	to[VX_REG_BX] = regs->bx;
	to[VX_REG_R11] = regs->r11;
	to[VX_REG_R10] = regs->r10;
	to[VX_REG_R9] = regs->r9;
	to[VX_REG_R8] = regs->r8;
	to[VX_REG_AX] = regs->ax;
	to[VX_REG_CX] = regs->cx;
	to[VX_REG_DX] = regs->dx;
	to[VX_REG_SI] = regs->si;
	to[VX_REG_DI] = regs->di;
	to[VX_REG_IP] = regs->ip;
	to[VX_REG_CS] = regs->cs;
	to[VX_REG_FLAGS] = regs->flags;
	to[VX_REG_SP] = regs->sp;
	to[VX_REG_SS] = regs->ss;
	oops->flags |= VX_OOPS_REGS_VALID;
	oops->ip = regs->ip;
}

void oops_describe(struct vx_event_oops *ret, enum vx_oops_kind kind, const char *message,
		   const struct pt_regs *regs)
{
	struct scratch *s = this_cpu_ptr(&scratch);

	memset(ret, 0, sizeof(*ret));
	fill_head(&ret->head);
	ret->kind = kind;
	if (message)
		strscpy(ret->message, message, sizeof(ret->message));
	/* panic()'s text ends its line by itself now and then. */
	strim(ret->message);
	if (regs)
		fill_regs(ret, regs);
	fill_stack(ret, s->frames);
	fill_symbol(ret, s->symbol);
}

static bool kills_the_kernel(void)
{
	return in_interrupt() || !current->pid || is_global_init(current);
}

static int on_die(struct notifier_block *nb, unsigned long what, void *data)
{
	const struct die_args *args = data;
	struct scratch *s;

	if (what != DIE_OOPS || !args->regs)
		return NOTIFY_DONE;
	s = this_cpu_ptr(&scratch);
	oops_describe(&s->oops, VX_OOPS_DIE, args->str, args->regs);
	s->oops.err = args->err;
	s->oops.trap = args->trapnr;
	s->oops.signal = args->signr;
	s->oops.regs[VX_REG_CR2] = native_read_cr2();
	if (kills_the_kernel())
		s->oops.flags |= VX_OOPS_FATAL;
	s->died = s->oops;
	s->died_task = current;
	trace_vexprobe_die(&s->oops);
	return NOTIFY_DONE;
}

/* panic() itself has no registers. What it was called for has, when this task has just died. */
static void take_from_death(struct vx_event_oops *oops, const struct vx_event_oops *died)
{
	oops->flags |= died->flags & VX_OOPS_REGS_VALID;
	oops->err = died->err;
	oops->trap = died->trap;
	oops->signal = died->signal;
	oops->ip = died->ip;
	oops->offset = died->offset;
	oops->size = died->size;
	memcpy(oops->regs, died->regs, sizeof(oops->regs));
	memcpy(oops->function, died->function, sizeof(oops->function));
	memcpy(oops->module, died->module, sizeof(oops->module));
}

/* Frames as oops_describe() left them: innermost is the notifier's caller, panic() or vpanic() below it. */
static void skip_panic(struct vx_event_oops *oops, char *symbol)
{
	unsigned int i, first = 0;

	for (i = 0; i < oops->frames && i < 12; i++) {
		sprint_symbol(symbol, oops->stack[i]);
		if (!strncmp(symbol, "panic+", 6) || !strncmp(symbol, "vpanic+", 7) ||
		    !strncmp(symbol, "nmi_panic+", 10))
			first = i + 1;
	}
	if (first >= oops->frames)
		return;
	oops->frames -= first;
	memmove(oops->stack, oops->stack + first, oops->frames * sizeof(oops->stack[0]));
	memset(oops->stack + oops->frames, 0, (VX_OOPS_FRAMES - oops->frames) * sizeof(oops->stack[0]));
	oops->ip = oops->stack[0];
	fill_symbol(oops, symbol);
}

static int on_panic(struct notifier_block *nb, unsigned long what, void *message)
{
	struct scratch *s = this_cpu_ptr(&scratch);

	oops_describe(&s->oops, VX_OOPS_PANIC, message, NULL);
	skip_panic(&s->oops, s->symbol);
	if (s->died_task == current)
		take_from_death(&s->oops, &s->died);
	s->oops.flags |= VX_OOPS_FATAL;
	trace_vexprobe_panic(&s->oops);
	blackbox_write(VX_BOX_PANIC, &s->oops);
	return NOTIFY_DONE;
}

static struct notifier_block die_block = { .notifier_call = on_die };
/* First: others may not come back. */
static struct notifier_block panic_block = { .notifier_call = on_panic, .priority = INT_MAX };

int __init oops_init(void)
{
	int err = register_die_notifier(&die_block);

	if (err)
		return err;
	err = atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	if (err)
		unregister_die_notifier(&die_block);
	return err;
}

void oops_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_block);
	unregister_die_notifier(&die_block);
}
