// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vexlab/request.h>

#include "error.h"
#include "plan.h"
#include "target.h"
#include "yamlfile.h"

/* argv, and room for what the agent adds. */
#define MKFS_ARGV_MAX	(VX_STEP_STRINGS_MAX - 4)

static const char *const module_words[] = {
	[TARGET_BUILTIN] = "builtin", [TARGET_MODPROBE] = "modprobe", [TARGET_SOURCE] = "source", NULL,
};

#define OLDER		"{older}"
#define NAME_PATTERN	"[A-Za-z0-9][A-Za-z0-9_.-]*"
#define NAME_SAID	"a name of letters, digits, '_', '.' and '-'"
#define BELOW_PATTERN	"(?!/)(?!(.*/)?\\.\\.(/|$)).+"
#define BELOW_SAID	"a path below the source folder"
#define LINE_PATTERN	"[^\\x00-\\x1f\\x7f]*"
#define LINE_SAID	"one line of text"

#define FIELD(key_, kind_, member, ...) \
	{ .key = key_, .kind = kind_, .offset = offsetof(struct target, member), __VA_ARGS__ }
#define NAME(key_, member, max_, ...) \
	FIELD(key_, YAML_STRING, member, .min = 1, .max = max_, .pattern = NAME_PATTERN, .pattern_said = NAME_SAID, \
	      __VA_ARGS__)
#define LINE(key_, kind_, member, max_) \
	FIELD(key_, kind_, member, .min = 1, .max = max_, .pattern = LINE_PATTERN, .pattern_said = LINE_SAID)
#define BELOW(key_, kind_, member) \
	FIELD(key_, kind_, member, .min = 1, .pattern = BELOW_PATTERN, .pattern_said = BELOW_SAID)

static const struct yaml_field module_fields[] = {
	FIELD("from", YAML_ENUM, module, .choices = module_words, .required = TRUE),
	NAME("name", module_name, VX_NAME_LEN - 1),
	LINE("source", YAML_STRING, module_source, 0),
	BELOW("dirs", YAML_STRINGS, module_dirs),
	LINE("params", YAML_STRING, module_params, 1024),
	{ 0 },
};

static const struct yaml_field mkfs_fields[] = {
	LINE("argv", YAML_STRINGS, mkfs_argv, 1024),
	FIELD("older", YAML_STRINGS, mkfs_older, .min = 1, .max = 1024, .pattern = "\\d+\\.\\d+( [^\\x00-\\x20\\x7f]+)+",
	      .pattern_said = "a version of the kernel, \"5.15\", and words"),
	BELOW("source", YAML_STRING, mkfs_source),
	{ 0 },
};

static const struct yaml_field mount_fields[] = {
	LINE("options", YAML_STRING, mount_options, 1024),
	{ 0 },
};

static const struct yaml_field target_fields[] = {
	NAME("name", name, VX_NAME_LEN - 1, .required = TRUE),
	LINE("description", YAML_STRING, description, 200),
	NAME("fstype", fstype, VX_FSTYPE_LEN - 1),
	{ .key = "module", .kind = YAML_MAPPING, .fields = module_fields, .required = TRUE },
	{ .key = "mkfs", .kind = YAML_MAPPING, .fields = mkfs_fields },
	{ .key = "mount", .kind = YAML_MAPPING, .fields = mount_fields },
	FIELD("device_mib", YAML_UINT, device_mib, .min = 1, .max = 1u << 20, .unit = "MiB", .required = TRUE),
	LINE("image_format", YAML_STRING, image_format, 1024),
	FIELD("unsupported", YAML_STRINGS, unsupported, .min = 1, .max = VX_NAME_LEN, .pattern = NAME_PATTERN,
	      .pattern_said = NAME_SAID),
	{ 0 },
};

/* --- Checks that see more than one field ----------------------------------- */

static gboolean check_module(const struct target *t, const struct yamlfile *yf, GError **error)
{
	const char *from = module_words[t->module];

	if (t->module == TARGET_MODPROBE && !t->module_name)
		return yamlfile_fail(yf, "module.from", error, "modprobe needs module.name too");
	if (t->module == TARGET_BUILTIN && t->module_name)
		return yamlfile_fail(yf, "module.name", error, "a builtin filesystem has no module");
	if (t->module == TARGET_BUILTIN && t->module_params)
		return yamlfile_fail(yf, "module.params", error, "a builtin filesystem has no module");
	if (t->module != TARGET_SOURCE && t->module_source)
		return yamlfile_fail(yf, "module.source", error, "does not go with \"from: %s\"", from);
	if (t->module != TARGET_SOURCE && t->module_dirs)
		return yamlfile_fail(yf, "module.dirs", error, "does not go with \"from: %s\"", from);
	if (t->module != TARGET_SOURCE && !t->fstype)
		return yamlfile_fail(yf, "module.from", error,
				     "%s needs fstype too: only a module built from source is asked for its type",
				     from);
	return TRUE;
}

static gboolean any_contains(char **argv, const char *what)
{
	for (; argv && *argv; argv++)
		if (strstr(*argv, what))
			return TRUE;
	return FALSE;
}

static gboolean check_mkfs(const struct target *t, const struct yamlfile *yf, GError **error)
{
	gboolean built = any_contains(t->mkfs_argv, "{mkfs}");

	if (t->mkfs_source && t->module != TARGET_SOURCE)
		return yamlfile_fail(yf, "mkfs.source", error, "goes with \"module.from: source\" only");
	if (t->mkfs_source && !built)
		return yamlfile_fail(yf, "mkfs.source", error, "is never run: mkfs.argv does not say {mkfs}");
	if (built && !t->mkfs_source)
		return yamlfile_fail(yf, "mkfs.argv", error, "says {mkfs}, but there is no mkfs.source to build it from");
	if (t->mkfs_older && !any_contains(t->mkfs_argv, OLDER))
		return yamlfile_fail(yf, "mkfs.older", error, "is never used: mkfs.argv does not say " OLDER);
	if (!t->mkfs_argv)
		return TRUE;
	if (g_strv_length(t->mkfs_argv) > MKFS_ARGV_MAX)
		return yamlfile_fail(yf, "mkfs.argv", error, "has more than %d words", MKFS_ARGV_MAX);
	if (!built && t->mkfs_argv[0][0] != '/')
		return yamlfile_fail(yf, "mkfs.argv", error,
				     "begins with \"%s\": an absolute path or {mkfs} belongs there (no shell looks it up)",
				     t->mkfs_argv[0]);
	if (!any_contains(t->mkfs_argv, "{device}"))
		return yamlfile_fail(yf, "mkfs.argv", error, "does not say {device}: it would format nothing");
	return TRUE;
}

/* What a target names is relative to its file. */
static void resolve(const struct target *t, char **path)
{
	g_autofree char *dir = NULL, *relative = NULL;

	if (!*path)
		return;
	dir = g_path_get_dirname(t->path);
	relative = *path;
	*path = g_canonicalize_filename(relative, dir);
}

static struct target *load_file(const char *path, GError **error)
{
	VX_GUARD(yamlfile_close) struct yamlfile *yf = yamlfile_open(path, error);
	VX_GUARD(target_free) struct target *t = NULL;
	struct target *ret;

	if (!yf)
		return NULL;
	t = g_new0(struct target, 1);
	t->path = g_canonicalize_filename(path, NULL);
	if (!yamlfile_read(yf, target_fields, t, error) || !check_module(t, yf, error) || !check_mkfs(t, yf, error))
		return NULL;
	resolve(t, &t->module_source);
	resolve(t, &t->image_format);
	if (!t->module_dirs)
		t->module_dirs = g_strsplit(".", ",", 0);
	ret = t;
	t = NULL;
	return ret;
}

void target_free(struct target *target)
{
	if (!target)
		return;
	yaml_clear(target_fields, target);
	g_free(target->path);
	g_free(target);
}

/* --- Where targets are ------------------------------------------------------ */

static GPtrArray *search_path(const char *const *dirs)
{
	const char *libdir = g_getenv("VEXLAB_LIBDIR");
	GPtrArray *path = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(path, g_strdup("targets"));
	if (libdir && *libdir)
		g_ptr_array_add(path, g_build_filename(libdir, "targets", NULL));
	for (; dirs && *dirs; dirs++)
		g_ptr_array_add(path, g_strdup(*dirs));
	return path;
}

static gboolean is_target_file(const char *dir, const char *entry)
{
	g_autofree char *path = g_build_filename(dir, entry, NULL);

	return g_str_has_suffix(entry, ".yaml") && entry[0] != '.' && g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **target_names(const char *const *dirs)
{
	g_autoptr(GPtrArray) path = search_path(dirs);
	GPtrArray *names = g_ptr_array_new();
	const char *entry;
	guint i;

	for (i = 0; i < path->len; i++) {
		g_autoptr(GDir) dir = g_dir_open(path->pdata[i], 0, NULL);

		while (dir && (entry = g_dir_read_name(dir))) {
			g_autofree char *name = g_strndup(entry, strlen(entry) - MIN(strlen(entry), 5));

			if (is_target_file(path->pdata[i], entry) &&
			    !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
				g_ptr_array_add(names, g_steal_pointer(&name));
		}
	}
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

static void set_unknown(const char *name, const char *const *dirs, GError **error)
{
	g_auto(GStrv) names = target_names(dirs);
	g_autofree char *known = g_strjoinv(", ", names);
	const char *nearest = yaml_nearest(name, (const char *const *)names);

	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "unknown target \"%.60s\"%s%s%s; known: %s", name,
		    nearest ? " (did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?)" : "",
		    *known ? known : "none (no targets/ folder was found)");
}

struct target *target_load(const char *name_or_path, const char *const *dirs, GError **error)
{
	g_autoptr(GPtrArray) path = NULL;
	guint i;

	if (strchr(name_or_path, '/') || g_str_has_suffix(name_or_path, ".yaml"))
		return load_file(name_or_path, error);
	path = search_path(dirs);
	for (i = 0; i < path->len; i++) {
		g_autofree char *name = g_strconcat(name_or_path, ".yaml", NULL);
		g_autofree char *file = g_build_filename(path->pdata[i], name, NULL);

		if (g_file_test(file, G_FILE_TEST_EXISTS))
			return load_file(file, error);
	}
	set_unknown(name_or_path, dirs, error);
	return NULL;
}

static char *substitute(const char *template, const char *word, const char *value)
{
	g_auto(GStrv) parts = g_strsplit(template, word, -1);

	return g_strjoinv(value, parts);
}

/* The words for this kernel behind their version, or NULL. */
static char **words_of_older(const struct target *target, const char *release)
{
	char **line;

	for (line = target->mkfs_older; line && *line; line++) {
		g_autofree char *before = g_strconcat("<", *line, NULL);

		if (plan_kernel_is(release, before))
			return g_strsplit(strchr(*line, ' ') + 1, " ", -1);
	}
	return NULL;
}

char **target_mkfs_argv(const struct target *target, const char *release, const char *mkfs, const char *device)
{
	g_auto(GStrv) older = words_of_older(target, release);
	g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
	char **word;

	if (!target->mkfs_argv)
		return NULL;
	for (word = target->mkfs_argv; *word; word++) {
		g_autofree char *arg = substitute(*word, "{mkfs}", mkfs ? mkfs : "");
		g_autofree char *whole = substitute(arg, "{device}", device);

		if (strcmp(*word, OLDER))
			g_strv_builder_add(argv, whole);
		else if (older)
			g_strv_builder_addv(argv, (const char **)older);
	}
	return g_strv_builder_end(argv);
}

/* --- Where a target's source is --------------------------------------------- */

/* Kbuild or Makefile that makes a module: any other folder may have a Makefile. */
static gboolean is_module_dir(const char *dir)
{
	static const char *const names[] = { "Kbuild", "Makefile", NULL };
	const char *const *name;

	for (name = names; *name; name++) {
		g_autofree char *path = g_build_filename(dir, *name, NULL), *text = NULL;

		if (g_file_get_contents(path, &text, NULL, NULL))
			return strstr(text, "obj-") != NULL;
	}
	return FALSE;
}

static char *find_module_dir(const struct target *target, const char *root, GError **error)
{
	g_autofree char *tried = NULL;
	char **dir;

	for (dir = target->module_dirs; *dir; dir++) {
		g_autofree char *path = g_canonicalize_filename(*dir, root);

		if (is_module_dir(path))
			return g_steal_pointer(&path);
	}
	tried = g_strjoinv(", ", target->module_dirs);
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "%s holds no kernel module's source for the target %s: no Kbuild or Makefile with an obj-m line in %s",
		    root, target->name, tried);
	return NULL;
}

static gboolean find_mkfs(const struct target *target, const char *named, struct target_source *ret,
			  GError **error)
{
	g_autofree char *parent = g_path_get_dirname(named);
	g_autofree char *base = g_path_get_basename(named);
	g_autofree char *here = NULL, *above = NULL;

	ret->root = g_strdup(named);
	if (!target->mkfs_source)
		return TRUE;
	here = g_build_filename(named, target->mkfs_source, NULL);
	above = g_build_filename(parent, target->mkfs_source, NULL);
	if (g_file_test(here, G_FILE_TEST_IS_REGULAR)) {
		ret->mkfs_source = g_steal_pointer(&here);
		return TRUE;
	}
	/* The user named the module's own folder: the rest of the tree is beside it. */
	if (g_strv_contains((const char *const *)target->module_dirs, base) &&
	    g_file_test(above, G_FILE_TEST_IS_REGULAR)) {
		g_free(ret->root);
		ret->root = g_steal_pointer(&parent);
		ret->mkfs_source = g_steal_pointer(&above);
		return TRUE;
	}
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "%s has no %s, from which the target %s makes its mkfs", named, target->mkfs_source,
		    target->name);
	return FALSE;
}

gboolean target_find_source(const struct target *target, const char *source,
			    struct target_source *ret, GError **error)
{
	VX_GUARD(target_source_clear) struct target_source found = { 0 };
	g_autofree char *named = NULL;

	if (!source || !*source)
		source = target->module_source;
	if (!source) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
			    "the target %s is built from source: say where that is (--source DIR; make run TARGET=%s VEXFS=DIR)",
			    target->name, target->name);
		return FALSE;
	}
	named = g_canonicalize_filename(source, NULL);
	if (!g_file_test(named, G_FILE_TEST_IS_DIR)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the source folder of the target %s, %s, %s",
			    target->name, named,
			    g_file_test(named, G_FILE_TEST_EXISTS) ? "is not a folder" : "does not exist");
		return FALSE;
	}
	found.module_dir = find_module_dir(target, named, error);
	if (!found.module_dir || !find_mkfs(target, named, &found, error))
		return FALSE;
	*ret = found;
	found = (struct target_source){ 0 };
	return TRUE;
}

void target_source_clear(struct target_source *source)
{
	g_clear_pointer(&source->root, g_free);
	g_clear_pointer(&source->module_dir, g_free);
	g_clear_pointer(&source->mkfs_source, g_free);
}
