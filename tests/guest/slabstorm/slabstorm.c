// SPDX-License-Identifier: GPL-2.0
/* The storm as the target. */
#include "storm.h"

MODULE_DESCRIPTION("vexlab's slab storm: the target");
