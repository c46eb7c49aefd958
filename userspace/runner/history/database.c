// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"
#include "error.h"
#include "fsutil.h"
#include "history.h"

#define PATIENCE_MS	60000
#define APPLICATION	0x56584849	/* "VXHI", in the file's head */
#define CHECKED_BYTES	(16u << 20)	/* a larger file is not read as a whole at each opening */

/*
 * value: a metric's figures, in the order in which a trend reads them. Samples are apart: one look at a trend of
 * many runs does not have to step over them.
 */
static const char *const versions[DATABASE_VERSION] = {
	"CREATE TABLE class (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);"
	"CREATE TABLE run (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, directory TEXT NOT NULL,"
	" begin_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, target TEXT NOT NULL, scenario TEXT NOT NULL,"
	" class INTEGER NOT NULL REFERENCES class(id), complete INTEGER NOT NULL, accepted INTEGER NOT NULL,"
	" regressed INTEGER NOT NULL, judged INTEGER NOT NULL, verdict INTEGER NOT NULL, overall REAL NOT NULL,"
	" stability REAL NOT NULL, tests REAL NOT NULL, performance REAL NOT NULL, cycles INTEGER NOT NULL,"
	" environment TEXT NOT NULL);"
	"CREATE INDEX run_begin ON run(begin_ns);"
	"CREATE INDEX run_name ON run(name);"
	"CREATE INDEX run_class ON run(class, begin_ns);"
	"CREATE INDEX run_target ON run(target, scenario, begin_ns);"
	"CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE value (metric INTEGER NOT NULL, class INTEGER NOT NULL, begin_ns INTEGER NOT NULL, run INTEGER NOT NULL,"
	" complete INTEGER NOT NULL, count INTEGER NOT NULL, p50 REAL NOT NULL, p90 REAL NOT NULL, p99 REAL NOT NULL,"
	" min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL,"
	" PRIMARY KEY (metric, class, begin_ns, run)) WITHOUT ROWID;"
	"CREATE TABLE sample (run INTEGER NOT NULL, metric INTEGER NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY (run, metric)) WITHOUT ROWID;"
	"CREATE TABLE title (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);"
	"CREATE TABLE finding (run INTEGER NOT NULL, title INTEGER NOT NULL, class TEXT NOT NULL, words TEXT NOT NULL,"
	" severity INTEGER NOT NULL, blame INTEGER NOT NULL, noise INTEGER NOT NULL, times INTEGER NOT NULL,"
	" cycle INTEGER NOT NULL, PRIMARY KEY (run, title)) WITHOUT ROWID;"
	"CREATE INDEX finding_title ON finding(title, run);",

	/* What was tried again. */
	"ALTER TABLE finding ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE finding ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;",
};


gboolean db_fail(struct history *h, GError **error)
{
	const int code = sqlite3_extended_errcode(h->db);
	const char *why = sqlite3_errmsg(h->db);

	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		h->damaged = TRUE;
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the history %s is damaged: %s; the next run sets it aside and begins "
			    "a new one, and `vexlab history import RUN...` takes over the runs whose folders are there", h->path, why);
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the history %s has been in use by another for %d s: "
			    "try again when it is done", h->path, PATIENCE_MS / 1000);
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		g_set_error(error, VX_ERROR, VX_ERROR_PERM, "cannot use the history %s: %s: give another with --history", h->path, why);
		break;
	case SQLITE_FULL:
	case SQLITE_IOERR:
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write the history %s: %s: free some space there", h->path, why);
		break;
	default:
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "the history %s: %s", h->path, why);
	}
	return FALSE;
}

sqlite3_stmt *db_statement(struct history *h, const char *sql, GError **error)
{
	sqlite3_stmt *st = g_hash_table_lookup(h->statements, sql);

	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
		return st;
	}
	if (sqlite3_prepare_v3(h->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK) {
		db_fail(h, error);
		return NULL;
	}
	g_hash_table_insert(h->statements, (gpointer)sql, st);
	return st;
}

gboolean db_step(struct history *h, sqlite3_stmt *st, gboolean *row, GError **error)
{
	const int code = sqlite3_step(st);

	if (code != SQLITE_ROW && code != SQLITE_DONE) {
		db_fail(h, error);
		sqlite3_reset(st);
		return FALSE;
	}
	/* One that waits at its end would hold the file as it was then. */
	if (code == SQLITE_DONE || !row)
		sqlite3_reset(st);
	if (row)
		*row = code == SQLITE_ROW;
	return TRUE;
}

gboolean db_exec(struct history *h, const char *sql, GError **error)
{
	return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK || db_fail(h, error);
}

gboolean db_begin(struct history *h, GError **error)
{
	return db_exec(h, "BEGIN IMMEDIATE", error);
}

gboolean db_end(struct history *h, gboolean ok, GError **error)
{
	if (ok && db_exec(h, "COMMIT", error))
		return TRUE;
	(void)sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
	return FALSE;
}

const char *db_word(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return text ? text : "";
}

/* ---- the file ------------------------------------------------------------------------- */

static gboolean ask(struct history *h, const char *sql, gint64 *ret, GError **error)
{
	sqlite3_stmt *st = NULL;
	gboolean row = FALSE;

	if (sqlite3_prepare_v2(h->db, sql, -1, &st, NULL) != SQLITE_OK)
		return db_fail(h, error);
	if (sqlite3_step(st) == SQLITE_ROW) {
		*ret = sqlite3_column_int64(st, 0);
		row = TRUE;
	}
	if (!row)
		db_fail(h, error);
	sqlite3_finalize(st);
	return row;
}

static gboolean check(struct history *h, const char *pragma, GError **error)
{
	sqlite3_stmt *st = NULL;
	gboolean good = FALSE;

	if (sqlite3_prepare_v2(h->db, pragma, -1, &st, NULL) != SQLITE_OK)
		return db_fail(h, error);
	if (sqlite3_step(st) != SQLITE_ROW)
		db_fail(h, error);
	else
		h->damaged = !(good = !strcmp(db_word(st, 0), "ok"));
	if (h->damaged && error && !*error)
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the history %s is damaged: %s", h->path, db_word(st, 0));
	sqlite3_finalize(st);
	return good;
}

gboolean history_is_damaged(const struct history *h)
{
	return h->damaged;
}

gboolean history_check(struct history *h, GError **error)
{
	return check(h, "PRAGMA integrity_check(1)", error);
}

static gboolean migrate(struct history *h, gint64 version, GError **error)
{
	g_autofree char *stamp = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION,
						 DATABASE_VERSION);
	gboolean ok = TRUE;

	if (version == DATABASE_VERSION)
		return TRUE;
	if (!db_begin(h, error))
		return FALSE;
	for (; ok && version < DATABASE_VERSION; version++)
		ok = db_exec(h, versions[version], error);
	return db_end(h, ok && db_exec(h, stamp, error), error);
}

static gboolean is_ours(struct history *h, gint64 *version, GError **error)
{
	gint64 application = 0, tables = 0;

	if (!ask(h, "PRAGMA application_id", &application, error) || !ask(h, "PRAGMA user_version", version, error) ||
	    !ask(h, "SELECT count(*) FROM sqlite_master", &tables, error))
		return FALSE;
	if (tables && application != APPLICATION) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s is another program's database: give another file with --history", h->path);
		return FALSE;
	}
	if (*version > DATABASE_VERSION) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "the history %s is of a newer vexlab (version %d of its tables, this one knows %d): "
			    "use that one, or give another file with --history", h->path, (int)*version, DATABASE_VERSION);
		return FALSE;
	}
	return TRUE;
}

static gboolean connect_to(struct history *h, GError **error)
{
	const int flags = h->writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
	struct stat before;
	gint64 version = 0;

	if (sqlite3_open_v2(h->path, &h->db, flags | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
		return db_fail(h, error);
	sqlite3_busy_timeout(h->db, PATIENCE_MS);
	if (!is_ours(h, &version, error))
		return FALSE;
	if (!stat(h->path, &before) && before.st_size && before.st_size <= CHECKED_BYTES &&
	    !check(h, "PRAGMA quick_check(1)", error))
		return FALSE;
	if (!h->writable && version == DATABASE_VERSION)
		return TRUE;
	return db_exec(h, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", error) && migrate(h, version, error);
}

static void statement_free(gpointer statement)
{
	sqlite3_finalize(statement);
}

static void disconnect(struct history *h)
{
	g_hash_table_remove_all(h->statements);
	sqlite3_close(h->db);
	h->db = NULL;
}

/* Renames without ever replacing. TRUE also when there is nothing to rename. */
static gboolean move_aside(const char *from, const char *to)
{
	return !renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) || errno == ENOENT;
}

static char *set_aside(const char *path, GError **error)
{
	static const char *const more[] = { "-wal", "-shm" };
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *stamp = g_date_time_format(now, "%Y%m%dT%H%M%SZ");
	g_autofree char *aside = NULL;
	guint i, n;

	for (n = 0; n < 1000; n++) {
		g_free(aside);
		aside = n ? g_strdup_printf("%s.damaged-%s-%u", path, stamp, n) : g_strdup_printf("%s.damaged-%s", path, stamp);
		if (move_aside(path, aside))
			break;
		if (errno != EEXIST) {
			vx_error_set_errno(error, errno, "cannot set the damaged history %s aside", path);
			return NULL;
		}
	}
	/* Its log belongs to it, and would be taken for the new one's. */
	for (i = 0; i < G_N_ELEMENTS(more); i++) {
		g_autofree char *from = g_strconcat(path, more[i], NULL), *to = g_strconcat(aside, more[i], NULL);

		(void)move_aside(from, to);
	}
	return g_steal_pointer(&aside);
}

/* One at a time looks whether the file is sound, and sets it aside. -1: without (a folder that cannot be locked). */
static int lock_folder(const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX)) {
		close(fd);
		return -1;
	}
	return fd;
}

static gboolean open_or_begin_anew(struct history *h, char **told, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *aside = NULL;

	if (connect_to(h, &local))
		return TRUE;
	disconnect(h);
	if (!h->writable || !h->damaged) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	aside = set_aside(h->path, error);
	if (!aside)
		return FALSE;
	if (told)
		*told = g_strdup_printf("the history %s is damaged: it is %s now, and a new one is begun; `vexlab history import` takes "
					"over the runs whose folders are there", h->path, aside);
	h->damaged = FALSE;
	return connect_to(h, error);
}

struct history *history_open(const char *path, enum history_use use, char **told, GError **error)
{
	struct history *h;
	gboolean ok;
	int lock;

	if (told)
		*told = NULL;
	if (use == HISTORY_READ && access(path, F_OK)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no history %s: `vexlab run` begins one, or name it with --history",
			    path);
		return NULL;
	}
	h = g_new0(struct history, 1);
	h->path = g_strdup(path);
	h->writable = use == HISTORY_WRITE;
	h->statements = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, statement_free);
	lock = lock_folder(path);
	ok = open_or_begin_anew(h, told, error);
	if (lock >= 0)
		close(lock);
	if (ok)
		return h;
	history_close(h);
	return NULL;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	disconnect(h);
	g_hash_table_unref(h->statements);
	g_free(h->path);
	g_free(h);
}
