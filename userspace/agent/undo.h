/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the agent changed in a guest that is not ours, to be taken back when it
 * ends, last first: also when the host has gone away in the middle of a run.
 */
#ifndef VEXLAB_AGENT_UNDO_H
#define VEXLAB_AGENT_UNDO_H

enum undo_kind { UNDO_MOUNT, UNDO_MODULE, UNDO_DIRECTORY };

/* Any thread. Without memory the change is not noted, and stays. */
void undo_note(enum undo_kind kind, const char *what);
/* It has been taken back by a step. */
void undo_forget(enum undo_kind kind, const char *what);
/* Takes everything back; what cannot be is left. */
void undo_all(void);

#endif
