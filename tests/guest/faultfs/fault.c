// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>

#include "fault.h"

static int fault_sleep_ms(unsigned int ms)
{
	/* Not msleep(), which rounds up to whole ticks: tests compare with a clock. */
	usleep_range(ms * 1000UL, ms * 1000UL + 10);
	return 0;
}

static int fault_spin_us(unsigned int us)
{
	ktime_t end = ktime_add_us(ktime_get(), us);

	while (ktime_before(ktime_get(), end))
		cpu_relax();
	return 0;
}

static int fault_spin_ms(unsigned int ms)
{
	return fault_spin_us(ms * 1000U);
}

static int fault_fail(unsigned int err)
{
	return err <= MAX_ERRNO ? -(int)err : -EINVAL;
}

static const struct fault {
	const char *name;
	enum fault_point point;
	int (*action)(unsigned int value);
} faults_table[FAULTS] = {
#define X(name_, point_, action_, what) \
	[FAULT_##name_] = { #name_, FAULT_AT_##point_, fault_##action_ },
	FAULTFS_FAULTS(X)
#undef X
};

static struct faults parameters;

#define X(name, point, action, what)						\
	module_param_named(name, parameters.value[FAULT_##name], uint, 0644);	\
	MODULE_PARM_DESC(name, what);
FAULTFS_FAULTS(X)
#undef X

const struct fs_parameter_spec fault_parameters[] = {
#define X(name, point, action, what) fsparam_u32(#name, FAULT_##name),
	FAULTFS_FAULTS(X)
#undef X
	{}
};

void faults_init(struct faults *faults)
{
	unsigned int i;

	/* Root may be writing them meanwhile. */
	for (i = 0; i < FAULTS; i++)
		faults->value[i] = READ_ONCE(parameters.value[i]);
}

int faults_strike(const struct faults *faults, enum fault_point point)
{
	const struct fault *fault;
	unsigned int i;
	int err;

	for (i = 0; faults && i < FAULTS; i++) {
		fault = &faults_table[i];
		if (fault->point != point || !faults->value[i])
			continue;
		err = fault->action(faults->value[i]);
		if (err)
			return err;
	}
	return menu_strike(point);
}

void faults_show(const struct faults *faults, struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < FAULTS; i++)
		if (faults->value[i])
			seq_printf(m, ",%s=%u", faults_table[i].name, faults->value[i]);
}
