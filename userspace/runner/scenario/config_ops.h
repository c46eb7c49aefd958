/* SPDX-License-Identifier: GPL-2.0 */
/* thresholds.operations: by a name that the user chooses, so in no table of keys. */
#ifndef VEXLAB_CONFIG_OPS_H
#define VEXLAB_CONFIG_OPS_H

#include "config.h"
#include "yamlfile.h"

#define CONFIG_OPS	"operations"
#define CONFIG_OPS_KEY	"thresholds." CONFIG_OPS

/* What stands below that key. VX_ERROR_CONFIG. */
gboolean config_ops_read(struct config *config, struct yaml_place at, GError **error);
/* A key of --set is one of these: "thresholds.operations.NAME.max_ms", its group left out or not. */
gboolean config_ops_is_key(const char *key);
gboolean config_ops_set(struct config *config, const char *key, const char *value, GError **error);
/* As "key=value", those that are set. */
void config_ops_list(const struct config *config, GPtrArray *list);

#endif
