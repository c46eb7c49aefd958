// SPDX-License-Identifier: GPL-2.0
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "fsutil.h"
#include "guest.h"

struct options {
	gboolean force, json, debug;
	char *cache, *kernel;
	char **rest;
};

static char *absolute(char *path)
{
	char *whole = g_canonicalize_filename(path, NULL);

	g_free(path);
	return whole;
}

/* What --kernel names; a folder of a suite's name is written ./NAME. Its strings are `opt`'s and `*tree`'s. */
static gboolean choose_kernel(const struct options *opt, char **tree, struct guest_kernel *ret, GError **error)
{
	g_autofree char *suites = g_strjoinv(", ", (char **)guest_suites);

	if (!opt->kernel)
		return TRUE;
	if (guest_is_suite(opt->kernel)) {
		ret->suite = opt->kernel;
		return TRUE;
	}
	if (!g_file_test(opt->kernel, G_FILE_TEST_IS_DIR)) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--kernel: %s is neither a Debian suite (%s) nor a folder in which a kernel "
			    "was built", opt->kernel, suites);
		return FALSE;
	}
	ret->tree = *tree = g_canonicalize_filename(opt->kernel, NULL);
	return TRUE;
}

/* Another kernel stands beside the ordinary one, which it needs the root filesystem of. */
static int build(const struct options *opt)
{
	g_autofree char *recipe = cmd_lib_path("guest/build-rootfs.sh"), *tree = NULL;
	g_autofree char *recipes = g_path_get_dirname(recipe);
	g_autofree char *init = cmd_lib_path("vexlab-init");
	struct guest_kernel kernel = { 0 };
	g_autoptr(GError) error = NULL;
	gint64 start = g_get_monotonic_time();
	double s;

	if (!choose_kernel(opt, &tree, &kernel, &error) ||
	    !guest_build(opt->cache, recipes, init, opt->force, cmd_cancellable(), &error) ||
	    ((opt->kernel || opt->debug) &&
	     !guest_build_kernel(opt->cache, recipes, init, &kernel, opt->force, cmd_cancellable(), &error)))
		return cmd_fail("guest build", error);
	s = (double)(g_get_monotonic_time() - start) / 1e6;
	if (s > 2)
		fprintf(stderr, "  %-8s ready in %.1f s: %s\n", "GUEST", s, opt->cache);
	else
		fprintf(stderr, "  %-8s up to date: %s\n", "GUEST", opt->cache);
	return 0;
}

static void print_entry(const struct guest_entry *entry)
{
	printf("%-7s %-36s %8.1f MiB  %-20s %s\n", entry->kind, entry->name,
	       (double)entry->bytes / (1 << 20), entry->built, entry->current ? "current" : "");
}

static int list(const struct options *opt)
{
	GPtrArray *entries = guest_list(opt->cache);
	json_t *json = json_array();
	guint i;

	for (i = 0; i < entries->len; i++) {
		const struct guest_entry *e = g_ptr_array_index(entries, i);

		if (opt->json)
			json_array_append_new(json, json_pack("{s:s, s:s, s:s, s:I, s:b}",
				"kind", e->kind, "name", e->name, "built", e->built,
				"bytes", (json_int_t)e->bytes, "current", e->current));
		else
			print_entry(e);
	}
	if (opt->json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (!entries->len) {
		printf("no guest in %s yet: run `vexlab guest build`\n", opt->cache);
	}
	json_decref(json);
	g_ptr_array_unref(entries);
	return 0;
}

static int rm(const struct options *opt)
{
	g_autoptr(GError) error = NULL;
	guint i;

	if (!opt->rest || !opt->rest[1]) {
		fprintf(stderr, "vexlab guest rm: name what to remove; `vexlab guest list` shows it\n");
		return EX_USAGE;
	}
	for (i = 1; opt->rest[i]; i++)
		if (!guest_remove(opt->cache, opt->rest[i], &error))
			return cmd_fail("guest rm", error);
	return 0;
}

int cmd_guest(int argc, char **argv)
{
	struct options opt = { 0 };
	const GOptionEntry entries[] = {
		{ "force", 'f', 0, G_OPTION_ARG_NONE, &opt.force, "Build again what is there", NULL },
		{ "kernel", 0, 0, G_OPTION_ARG_FILENAME, &opt.kernel, "build: also the kernel of a Debian suite, or one of your own, built in DIR (make bzImage modules)", "SUITE|DIR" },
		{ "debug-kernel", 0, 0, G_OPTION_ARG_NONE, &opt.debug, "build: also a kernel with KASAN, lockdep, kmemleak (half an hour)", NULL },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &opt.json, "list: machine-readable", NULL },
		{ "cache", 0, 0, G_OPTION_ARG_FILENAME, &opt.cache, "Where images are kept", "DIR" },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt.rest, NULL, NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("build|list|rm NAME...");
	g_autoptr(GError) error = NULL;
	int code = EX_USAGE;

	g_option_context_set_summary(context, "Guest images: a kernel and a root filesystem, built privately "
				     "from Debian's packages and cached.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "vexlab guest: %s\n", error->message);
		return EX_USAGE;
	}
	if (!opt.cache)
		opt.cache = fs_default_cachedir();
	opt.cache = absolute(opt.cache);
	if (opt.rest && !strcmp(opt.rest[0], "build"))
		code = build(&opt);
	else if (opt.rest && !strcmp(opt.rest[0], "list"))
		code = list(&opt);
	else if (opt.rest && !strcmp(opt.rest[0], "rm"))
		code = rm(&opt);
	else
		fprintf(stderr, "vexlab guest: say what to do: build, list or rm\n");
	g_strfreev(opt.rest);
	g_free(opt.cache);
	g_free(opt.kernel);
	return code;
}
