// SPDX-License-Identifier: GPL-2.0
/* VX_STEP_STRESS: which kinds there are stands in common/stress.h, what they do in stress_*.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "stress_run.h"

#define THREADS		4

static struct stress_board *board_new(void)
{
	void *board = mmap(NULL, sizeof(struct stress_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return board == MAP_FAILED ? NULL : board;
}

/* Where the module can be loaded from again: the file that was told, or that of modules.dep. */
static void find_module(struct stress *s, const char *told)
{
	if (!*s->module)
		return;
	if (*told)
		snprintf(s->module_file, sizeof(s->module_file), "%s", told);
	else if (module_file(s->module, s->module_file, sizeof(s->module_file)))
		s->module_file[0] = '\0';
}

static int unpack(struct stress *s, struct op_run *run, struct stress_board *board)
{
	const struct vx_req_step *req = &run->step.req;
	unsigned int i;

	if (req->num[1] < 0 || req->num[2] < 0 || req->num[2] > VX_STRESS_THREADS_MAX || req->num[3] <= 0 ||
	    req->nstrings > 8 + VX_STRESS_DEVICES_MAX)
		return -EINVAL;
	*s = (struct stress){
		.run = run, .board = board,
		.kind = run->step.str[0], .device = run->step.str[1], .dir = run->step.str[2],
		.fstype = run->step.str[3], .options = run->step.str[4], .module = run->step.str[5],
		.params = run->step.str[7], .seed = (uint64_t)req->num[0], .ns = (uint64_t)req->num[1],
		.nthreads = req->num[2] ? (unsigned int)req->num[2] : THREADS,
		/* What never ends is to be told before the deadline strikes. */
		.patience_ns = (uint64_t)req->num[3] / 2,
	};
	for (i = 8; i < req->nstrings; i++)
		s->devices[s->ndevices++] = run->step.str[i];
	find_module(s, run->step.str[6]);
	s->pins = stress_module_pins(s->module);
	return 0;
}

static const char *missing(const struct stress *s, unsigned int needs)
{
	if (needs & VX_STRESS_MODULE && !s->module_file[0])
		return "the target is built into the kernel";
	if (needs & VX_STRESS_DEVICES && s->ndevices < 2)
		return "there are no further devices";
	if (needs & (VX_STRESS_MAPPED | VX_STRESS_PLUG) && !*s->device)
		return "there is no device that could be made to fail";
	return NULL;
}

static int do_row(struct stress *s, const struct stress_row *row)
{
	const char *lack = missing(s, row->needs);

	s->reloads = row->needs & VX_STRESS_RELOAD;
	if (lack) {
		stress_lack(s, lack);
		return 0;
	}
	return stress_in_child(s, row->run);
}

int stress_step(struct op_run *run, const struct stress_row *rows)
{
	struct stress_board *board;
	struct stress s;
	uint64_t began;
	int err;

	while (rows->name && strcmp(rows->name, run->step.str[0]))
		rows++;
	if (!rows->name)
		return -EINVAL;
	board = board_new();
	if (!board)
		return -ENOMEM;
	err = unpack(&s, run, board);
	op_begin(run);
	began = now_ns();
	if (!err)
		err = do_row(&s, rows);
	op_end(run, err);
	stress_board_say(&s, run, now_ns() - began);
	run->value = err == -EBADMSG ? atomic_load(&board->wrong) :
		     atomic_load(&board->lacking) ? VX_FILE_UNSUPPORTED : VX_FILE_DONE;
	munmap(board, sizeof(*board));
	return err;
}

#define X(name_, function_, needs_, what, expected) { .name = name_, .run = stress_##function_, .needs = needs_ },
static const struct stress_row rows[] = { VX_STRESS_KINDS(X) { .name = NULL } };
#undef X

int op_stress(struct op_run *run)
{
	return stress_step(run, rows);
}
