/* SPDX-License-Identifier: GPL-2.0 */
/* SQLite, for this folder alone: the file, its schema, statements. */
#ifndef VEXLAB_DATABASE_H
#define VEXLAB_DATABASE_H

#include <glib.h>
#include <sqlite3.h>

#include "guard.h"

struct history {
	sqlite3 *db;
	char *path;
	gboolean writable;
	gboolean damaged;		/* SQLite has said so */
	GHashTable *statements;		/* SQL text (static) -> sqlite3_stmt * */
};

#define DATABASE_VERSION	2

/*
 * The statement for this text, which is static: prepared once, reset, without bindings. NULL and `error`. Borrowed.
 */
sqlite3_stmt *db_statement(struct history *h, const char *sql, GError **error);
/* TRUE: a row, or with `row` NULL the statement's end. *row FALSE: no (more) row. */
gboolean db_step(struct history *h, sqlite3_stmt *st, gboolean *row, GError **error);
gboolean db_exec(struct history *h, const char *sql, GError **error);
/* Sets `error` from what SQLite said last. Returns FALSE. */
gboolean db_fail(struct history *h, GError **error);
gboolean db_begin(struct history *h, GError **error);
/* `ok` FALSE: undone. Returns whether it is in the file. */
gboolean db_end(struct history *h, gboolean ok, GError **error);

#define db_text(st, i, text)	sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT)
/* "" for NULL. Borrowed until the next step. */
const char *db_word(sqlite3_stmt *st, int column);

#endif
