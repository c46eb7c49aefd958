// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "config_ops.h"
#include "error.h"

#define DAY_MS		86400000u
#define NAME_PATTERN	"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,62}$"

#define MS(key_, member) \
	{ .key = key_, .kind = YAML_UINT, .offset = offsetof(struct config_op, member), .max = DAY_MS, .unit = "ms" }

static const struct yaml_field fields[] = {
	MS("max_ms", max_ms), MS("p50_ms", p50_ms), MS("p90_ms", p90_ms), MS("p99_ms", p99_ms), { 0 },
};

static struct config_op *find(struct config *config, const char *name)
{
	guint i;

	for (i = 0; i < config->nops; i++)
		if (!strcmp(config->ops[i].name, name))
			return &config->ops[i];
	return NULL;
}

/* NULL: there is no room, or it is no name. */
static struct config_op *add(struct config *config, const char *name, const char **why)
{
	struct config_op *op;

	*why = !g_regex_match_simple(NAME_PATTERN, name, G_REGEX_DOLLAR_ENDONLY, 0) ? "is no name of an operation or step" :
	       config->nops == CONFIG_OPS_MAX ? "is one more than there may be" : NULL;
	if (*why)
		return NULL;
	op = &config->ops[config->nops++];
	*op = (struct config_op){ 0 };
	g_strlcpy(op->name, name, sizeof(op->name));
	return op;
}

gboolean config_ops_read(struct config *config, struct yaml_place at, GError **error)
{
	unsigned int i;

	if (yaml_shape(at) != YAML_KEYS)
		return yaml_fail(at, CONFIG_OPS_KEY, error, "operations by their names belong below it");
	for (i = 0; i < yaml_count(at); i++) {
		struct yaml_place key, value = yaml_child(at, i, &key);
		const char *name = yaml_text(key), *why;
		g_autofree char *said = g_strdup_printf(CONFIG_OPS_KEY ".%s", name);
		struct config_op *op;

		if (find(config, name))
			return yaml_fail(key, said, error, "stands here a second time");
		op = add(config, name, &why);
		if (!op)
			return yaml_fail(key, said, error, "\"%.80s\" %s", name, why);
		if (!yaml_read_at(value, said, fields, NULL, op, error))
			return FALSE;
	}
	return TRUE;
}

static const char *without_group(const char *key)
{
	if (g_str_has_prefix(key, CONFIG_OPS_KEY "."))
		return key + strlen(CONFIG_OPS_KEY ".");
	return g_str_has_prefix(key, CONFIG_OPS ".") ? key + strlen(CONFIG_OPS ".") : NULL;
}

gboolean config_ops_is_key(const char *key)
{
	return without_group(key) != NULL;
}

gboolean config_ops_set(struct config *config, const char *key, const char *value, GError **error)
{
	const char *rest = without_group(key), *dot = strrchr(rest, '.'), *why = "is followed by no key, as in NAME.max_ms";
	g_autofree char *name = g_strndup(rest, dot ? (gsize)(dot - rest) : strlen(rest));
	struct config_op *op = dot ? find(config, name) ?: add(config, name, &why) : NULL;

	if (op)
		return yaml_set(fields, op, "--set", dot + 1, value, error);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--set: " CONFIG_OPS_KEY ": \"%.80s\" %s", name, why);
	return FALSE;
}

static void list_one(const struct config_op *op, GPtrArray *list)
{
	const struct yaml_field *field;

	for (field = fields; field->key; field++) {
		g_autofree char *value = yaml_value(field, op);

		if (strcmp(value, "0"))
			g_ptr_array_add(list, g_strdup_printf(CONFIG_OPS_KEY ".%s.%s=%s", op->name, field->key, value));
	}
}

void config_ops_list(const struct config *config, GPtrArray *list)
{
	guint i;

	for (i = 0; i < config->nops; i++)
		list_one(&config->ops[i], list);
}
