/* SPDX-License-Identifier: GPL-2.0 */
/*
 * YAML that users write, straight into checked structs. One table of fields
 * says what a file may hold; the same table serves `--set key=value`. Every
 * complaint names file, line and field, and what would be right:
 *
 *	targets/foo.yaml:7: mkfs.device_mib: 99999999 is out of range 1..1048576 MiB
 *	targets/foo.yaml:9: unknown key "fs_type" (did you mean "fstype"?)
 *
 * Errors are VX_ERROR_CONFIG, but for a file that cannot be read.
 */
#ifndef VEXLAB_YAMLFILE_H
#define VEXLAB_YAMLFILE_H

#include <glib.h>
#include <stddef.h>

#include "guard.h"

enum yaml_kind {
	YAML_UINT,	/* unsigned int: decimal, min..max */
	YAML_BOOL,	/* gboolean: true, false, yes, no, on, off */
	YAML_STRING,	/* char *: min..max bytes (max 0: 4096), `pattern` */
	YAML_STRINGS,	/* char **, NULL-terminated: a list, or one string; each as YAML_STRING */
	YAML_ENUM,	/* int (C enum): index of the word in `choices` */
	YAML_TIME,	/* unsigned int, milliseconds: "500ms", "30s", "10m", "2h"; min..max */
	YAML_MAPPING,	/* further fields of the same struct, one level deeper */
};

struct yaml_field {
	const char *key;		/* NULL ends a table */
	enum yaml_kind kind;
	gsize offset;			/* into the caller's struct, for nested fields too */
	guint64 min, max;
	const char *unit;		/* "MiB": only for words */
	const char *pattern;		/* regular expression for the whole string, or NULL */
	const char *pattern_said;	/* what it asks for, in words */
	const char *const *choices;	/* NULL-terminated */
	const struct yaml_field *fields;
	gboolean required;
	const char *help;		/* what it is, for listings */
};

struct yamlfile;

/* Reads and parses (at most 1 MiB, one document, a mapping at its top). */
struct yamlfile *yamlfile_open(const char *path, GError **error);
/* The same from memory; `name` stands for the file in messages. */
struct yamlfile *yamlfile_parse(const char *name, const char *text, gsize len, GError **error);
/* NULL-safe. */
void yamlfile_close(struct yamlfile *yf);
VX_DEFINE_GUARD(struct yamlfile, yamlfile_close);

/*
 * Fills `object` with what the file says; fields that it leaves out keep their
 * values. Strings in `object` are its own (a replaced one is freed). On
 * failure it may be filled in part: yaml_clear() it all the same.
 */
gboolean yamlfile_read(const struct yamlfile *yf, const struct yaml_field *fields, void *object,
		       GError **error);

/* Line of a key such as "mkfs.argv", 1 when the file has none. */
unsigned int yamlfile_line(const struct yamlfile *yf, const char *key);
/* Sets "FILE:LINE: KEY: <format...>", for what only the caller can check. Returns FALSE. */
gboolean yamlfile_fail(const struct yamlfile *yf, const char *key, GError **error,
		       const char *format, ...) G_GNUC_PRINTF(4, 5);

/*
 * For files that are more than a table: what stands at a place, read piece by piece. A place is valid as long as its
 * file is open. An alias is the place that it names: who descends bounds the depth, and counts.
 */
enum yaml_shape { YAML_NOTHING, YAML_VALUE, YAML_LIST, YAML_KEYS };
struct yaml_place {
	const struct yamlfile *yf;
	int node;
};

struct yaml_place yaml_top(const struct yamlfile *yf);
enum yaml_shape yaml_shape(struct yaml_place at);
unsigned int yaml_line(struct yaml_place at);
/* Of a value, else ""; what has a NUL byte in it ends there. */
const char *yaml_text(struct yaml_place at);
/* Entries of a list, keys of a mapping, else 0. */
unsigned int yaml_count(struct yaml_place at);
/* The `i`th entry of a list; of a mapping the value, and its key's place if `key`. */
struct yaml_place yaml_child(struct yaml_place at, unsigned int i, struct yaml_place *key);
/* Of a mapping: FALSE, there is no such key. */
gboolean yaml_find(struct yaml_place at, const char *key, struct yaml_place *ret);
/* As yamlfile_read(): a mapping by a table; keys in `skip` (NULL-terminated, or NULL) are somebody else's. `said`: where, in words. */
gboolean yaml_read_at(struct yaml_place at, const char *said, const struct yaml_field *fields, const char *const *skip,
		      void *object, GError **error);
/* One field from a value or a list. */
gboolean yaml_read_field(struct yaml_place at, const char *said, const struct yaml_field *field, void *object, GError **error);
/* "FILE:LINE: SAID: <format...>". Returns FALSE. */
gboolean yaml_fail(struct yaml_place at, const char *said, GError **error, const char *format, ...) G_GNUC_PRINTF(4, 5);
/* "FILE:LINE: unknown WHAT "WORD" (did you mean ...?)". Returns FALSE. */
gboolean yaml_unknown(struct yaml_place at, const char *what, const char *word, const char *const *words, GError **error);

/*
 * Sets one field by its dotted key from a word of the command line; a
 * YAML_STRINGS is replaced by that one string. `where` ("--set") goes first in
 * messages. Errors are VX_ERROR_USAGE.
 */
gboolean yaml_set(const struct yaml_field *fields, void *object, const char *where,
		  const char *key, const char *value, GError **error);

/* Frees every string the table knows and sets it to NULL. */
void yaml_clear(const struct yaml_field *fields, void *object);

/* Calls `fn` with each field that holds a value, in the table's order, and its dotted key. */
void yaml_foreach(const struct yaml_field *fields,
		  void (*fn)(void *ctx, const char *key, const struct yaml_field *field), void *ctx);

/* The value as a user would write it. Caller frees. */
char *yaml_value(const struct yaml_field *field, const void *object);

/* "1..64 MiB", "one of none, modprobe, source", ...: what a field takes. Caller frees. */
char *yaml_field_allowed(const struct yaml_field *field);

/* The word of `words` (NULL-terminated) nearest to `word`, or NULL when none is near. */
const char *yaml_nearest(const char *word, const char *const *words);

#endif
