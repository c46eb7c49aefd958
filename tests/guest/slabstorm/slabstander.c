// SPDX-License-Identifier: GPL-2.0
/* The storm as the bystander. */
#include "storm.h"

MODULE_DESCRIPTION("vexlab's slab storm: the bystander");
