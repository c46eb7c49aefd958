/* SPDX-License-Identifier: GPL-2.0 */
/* What libbpf says, kept instead of printed, and made into one line of why. */
#ifndef VEXLAB_PROBES_LOG_H
#define VEXLAB_PROBES_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void probes_log_start(void);	/* forgets, and keeps from now on; one thread */

/* The program that libbpf's first complaint is about. */
bool probes_log_program(char *ret, size_t size);

/* Always fills `ret`: the verifier's last words, libbpf's, or strerror()'s. */
void probes_log_reason(char *ret, size_t size, int err);

#endif
