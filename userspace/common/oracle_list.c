// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_list.h"

/* Operands, in order: x file or slot, p path, q second path, @ slot, t target of a symlink, n name of an attribute. */
static const struct {
	const char *name, *operands, *keys;
} kinds[ORC_KINDS] = {
	[ORC_CREATE] = { "create", "p", "flags mode" },
	[ORC_OPEN] = { "open", "@p", "flags mode" },
	[ORC_CLOSE] = { "close", "@", "" },
	[ORC_MKDIR] = { "mkdir", "p", "mode" },
	[ORC_RMDIR] = { "rmdir", "p", "" },
	[ORC_UNLINK] = { "unlink", "p", "" },
	[ORC_WRITE] = { "write", "x", "off len seed flags" },
	[ORC_APPEND] = { "append", "x", "len seed" },
	[ORC_READ] = { "read", "x", "off len flags" },
	[ORC_MAPWRITE] = { "mapwrite", "x", "off len seed" },
	[ORC_MAPREAD] = { "mapread", "x", "off len" },
	[ORC_TRUNCATE] = { "truncate", "x", "len" },
	[ORC_FALLOCATE] = { "fallocate", "x", "off len flags" },
	[ORC_COPY] = { "copy", "pq", "off to len" },
	[ORC_FSYNC] = { "fsync", "x", "" },
	[ORC_FDATASYNC] = { "fdatasync", "x", "" },
	[ORC_SYNCFS] = { "syncfs", "", "" },
	[ORC_SYNC] = { "sync", "", "" },
	[ORC_RENAME] = { "rename", "pq", "flags" },
	[ORC_LINK] = { "link", "pq", "" },
	[ORC_SYMLINK] = { "symlink", "tq", "" },
	[ORC_READLINK] = { "readlink", "p", "" },
	[ORC_MKFIFO] = { "mkfifo", "p", "mode" },
	[ORC_TMPFILE] = { "tmpfile", "@p", "mode" },
	[ORC_LINKFD] = { "linkfd", "@p", "" },
	[ORC_SETXATTR] = { "setxattr", "pn", "len seed flags" },
	[ORC_GETXATTR] = { "getxattr", "pn", "" },
	[ORC_REMOVEXATTR] = { "removexattr", "pn", "" },
	[ORC_LISTXATTR] = { "listxattr", "p", "" },
	[ORC_CHMOD] = { "chmod", "p", "mode" },
	[ORC_CHOWN] = { "chown", "p", "uid gid" },
	[ORC_UTIMENS] = { "utimens", "p", "off" },
	[ORC_STAT] = { "stat", "x", "" },
	[ORC_READDIR] = { "readdir", "p", "" },
	[ORC_STATFS] = { "statfs", "", "" },
	[ORC_CLEAR] = { "clear", "", "" },
	[ORC_DROP_CACHES] = { "drop-caches", "", "" },
	[ORC_COMPARE] = { "compare", "", "" },
	[ORC_REMOUNT] = { "remount", "", "" },
	[ORC_POWER_CUT] = { "power-cut", "", "" },
	[ORC_SPACE] = { "space", "", "" },
};

static const char *const flag_words[] = {
	"RDONLY", "WRONLY", "CREAT", "EXCL", "TRUNC", "APPEND", "DIRECT", "SYNC", "DSYNC", "NOFOLLOW", "DIRECTORY",
	"NOREPLACE", "EXCHANGE", "KEEP_SIZE", "PUNCH_HOLE", "ZERO_RANGE", "COLLAPSE_RANGE", "INSERT_RANGE", "REPLACE",
};
_Static_assert(1 << (sizeof(flag_words) / sizeof(flag_words[0])) == ORC_FLAGS + 1, "each flag has a word");

#define FLAG_WORDS	(sizeof(flag_words) / sizeof(flag_words[0]))
#define WORDS_MAX	12

const char *orc_kind_name(enum orc_kind kind)
{
	return kind < ORC_KINDS ? kinds[kind].name : "?";
}

/* ---- words ------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '\\' && c != '@' && c != '#';
}

size_t orc_escape(const char *text, char *buf, size_t size)
{
	size_t at = 0;

	for (; *text && at + 5 <= size; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_plain(c))
			buf[at++] = (char)c;
		else
			at += (size_t)snprintf(buf + at, size - at, "\\x%02x", c);
	}
	if (size)
		buf[at] = '\0';
	return at;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int orc_unescape(char *word)
{
	char *to = word;

	for (; *word; word++) {
		int high, low;

		if (*word != '\\') {
			*to++ = *word;
			continue;
		}
		if (word[1] != 'x' || (high = digit(word[2])) < 0 || (low = digit(word[3])) < 0 || !(high | low))
			return -EINVAL;
		*to++ = (char)(high << 4 | low);
		word += 3;
	}
	*to = '\0';
	return 0;
}

/* Stays below the root: relative, no "..", no empty part. "." is the root itself. */
static bool stays_inside(const char *path)
{
	const char *part = path;

	if (!*path || *path == '/' || strlen(path) > ORC_PATH_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(part, "/");

		if (!len || (len == 2 && !memcmp(part, "..", 2)))
			return false;
		if (!part[len])
			return true;
		part += len + 1;
	}
}

/* ---- parsing ------------------------------------------------------------------------------ */

struct parser {
	char *why;
	size_t why_size;
	uint32_t line;
};

static int wrong(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct parser *p, const char *format, ...)
{
	va_list args;
	int n;

	n = snprintf(p->why, p->why_size, "line %u: ", p->line);
	if (n < 0 || (size_t)n >= p->why_size)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(p->why + n, p->why_size - (size_t)n, format, args);
	va_end(args);
	return -EINVAL;
}

static int take_path(struct parser *p, const char *word, char **ret)
{
	char *path = strdup(word);

	if (!path)
		return -ENOMEM;
	if (orc_unescape(path) || !stays_inside(path)) {
		free(path);
		return wrong(p, "\"%.60s\" is no path: relative, without \"..\" and \"//\", other bytes as \\xNN", word);
	}
	*ret = path;
	return 0;
}

static int take_slot(struct parser *p, const char *word, int *ret)
{
	if (word[0] != '@' || word[1] < '0' || word[1] >= '0' + ORC_SLOTS || word[2])
		return wrong(p, "\"%.60s\" is no open file: @0 to @%d", word, ORC_SLOTS - 1);
	*ret = word[1] - '0';
	return 0;
}

static int take_operand(struct parser *p, char what, const char *word, struct orc_op *op)
{
	switch (what) {
	case '@':
		return take_slot(p, word, &op->slot);
	case 'x':
		return word[0] == '@' ? take_slot(p, word, &op->slot) : take_path(p, word, &op->path);
	case 'q':
	case 'n':
		return take_path(p, word, &op->path2);
	default:
		return take_path(p, word, &op->path);
	}
}

static int take_number(struct parser *p, const char *key, const char *text, int base, uint64_t max, uint64_t *ret)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, base);
	if (!isdigit((unsigned char)*text) || *end || errno || value > max)
		return wrong(p, "%s=%.40s is no number from 0 to %llu", key, text, (unsigned long long)max);
	*ret = value;
	return 0;
}

static int take_flags(struct parser *p, const char *text, uint32_t *ret)
{
	while (*text) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < FLAG_WORDS; i++)
			if (strlen(flag_words[i]) == len && !memcmp(flag_words[i], text, len))
				break;
		if (i == FLAG_WORDS)
			return wrong(p, "\"%.*s\" is no flag", (int)(len < 40 ? len : 40), text);
		*ret |= 1u << i;
		text += len + (text[len] == ',');
	}
	return 0;
}

/* Words of `list`, blanks between. */
static bool has_word(const char *list, const char *word, size_t len)
{
	const char *at = list;

	while ((at = strstr(at, word))) {
		if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
		at++;
	}
	return false;
}

static int take_key(struct parser *p, char *word, struct orc_op *op)
{
	char *eq = strchr(word, '=');
	uint64_t value = 0;
	int err;

	if (eq)
		*eq++ = '\0';
	if (!eq || !*word || !has_word(kinds[op->kind].keys, word, strlen(word)))
		return wrong(p, "%s does not take \"%.60s\"; it takes: %s %s", orc_kind_name(op->kind), word,
			     kinds[op->kind].operands, kinds[op->kind].keys);
	if (!strcmp(word, "flags"))
		return take_flags(p, eq, &op->flags);
	if (!strcmp(word, "mode"))
		err = take_number(p, word, eq, 8, 07777, &value);
	else
		err = take_number(p, word, eq, 10, !strcmp(word, "off") || !strcmp(word, "to") ? ORC_OFFSET_MAX :
				  strcmp(word, "len") ? UINT32_MAX :
				  op->kind == ORC_TRUNCATE || op->kind == ORC_FALLOCATE ? ORC_OFFSET_MAX :
				  op->kind == ORC_SETXATTR ? 65536 : ORC_IO_MAX, &value);
	if (err)
		return err;
	switch (word[0]) {
	case 'o': op->off = value; break;
	case 't': op->to = value; break;
	case 'l': op->len = value; break;
	case 's': op->seed = (uint32_t)value; break;
	case 'm': op->mode = (uint32_t)value; break;
	case 'u': op->uid = (uint32_t)value; break;
	case 'g': op->gid = (uint32_t)value; break;
	}
	return 0;
}

static int find_kind(struct parser *p, const char *word, enum orc_kind *ret)
{
	unsigned int kind;

	for (kind = 0; kind < ORC_KINDS && strcmp(kinds[kind].name, word); kind++)
		;
	if (kind == ORC_KINDS)
		return wrong(p, "\"%.60s\" is no operation", word);
	*ret = kind;
	return 0;
}

static int parse_words(struct parser *p, char **words, size_t n, struct orc_op *op)
{
	const char *operand;
	size_t i = 1;
	int err;

	op->slot = -1;
	op->line = p->line;
	err = find_kind(p, words[0], &op->kind);
	if (err)
		return err;
	op->mode = op->kind == ORC_MKDIR ? 0755 : 0644;
	for (operand = kinds[op->kind].operands; *operand && !err; operand++, i++) {
		if (i >= n)
			return wrong(p, "%s lacks an operand", words[0]);
		err = take_operand(p, *operand, words[i], op);
	}
	for (; i < n && !err; i++)
		err = take_key(p, words[i], op);
	return err;
}

/* `line` is changed. 1: an operation. */
static int parse_line(struct parser *p, char *line, struct orc_op *op)
{
	char *words[WORDS_MAX], *save = NULL, *word;
	size_t n = 0;
	int err;

	line[strcspn(line, "#")] = '\0';
	for (word = strtok_r(line, " \t\r", &save); word; word = strtok_r(NULL, " \t\r", &save)) {
		if (n == WORDS_MAX)
			return wrong(p, "more than %d words", WORDS_MAX);
		words[n++] = word;
	}
	if (!n)
		return 0;
	memset(op, 0, sizeof(*op));
	err = parse_words(p, words, n, op);
	if (!err)
		return 1;
	orc_op_clear(op);
	return err;
}

static int add(struct parser *p, struct orc_list *list, struct orc_op *op)
{
	if (list->n == ORC_OPS_MAX) {
		orc_op_clear(op);
		return wrong(p, "more than %u operations", ORC_OPS_MAX);
	}
	if (list->n % 64 == 0) {
		struct orc_op *more = realloc(list->ops, (list->n + 64) * sizeof(*more));

		if (!more) {
			orc_op_clear(op);
			return -ENOMEM;
		}
		list->ops = more;
	}
	list->ops[list->n++] = *op;
	return 0;
}

static int parse_text(struct parser *p, char *text, size_t len, struct orc_list *list)
{
	size_t at = 0;
	int err = 0;

	while (at < len && err >= 0) {
		char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		struct orc_op op;

		p->line++;
		if (n > ORC_LINE_MAX)
			return wrong(p, "longer than %u bytes", ORC_LINE_MAX);
		if (memchr(text + at, '\0', n))
			return wrong(p, "a byte 0");
		text[at + n] = '\0';
		err = parse_line(p, text + at, &op);
		if (err > 0)
			err = add(p, list, &op);
		at += n + 1;
	}
	return err;
}

int orc_list_parse(const char *text, size_t len, struct orc_list *ret, char *why, size_t why_size)
{
	struct parser p = { .why = why, .why_size = why_size };
	struct orc_list list = { 0 };
	char *copy = malloc(len + 1);
	int err;

	if (why_size)
		why[0] = '\0';
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	err = parse_text(&p, copy, len, &list);
	free(copy);
	if (err) {
		orc_list_free(&list);
		return err;
	}
	*ret = list;
	return 0;
}

void orc_op_clear(struct orc_op *op)
{
	free(op->path);
	free(op->path2);
	op->path = op->path2 = NULL;
}

void orc_list_free(struct orc_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		orc_op_clear(&list->ops[i]);
	free(list->ops);
	list->ops = NULL;
	list->n = 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

struct printer {
	char *buf;
	size_t size, len;
};

static void say(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct printer *p, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(p->buf + p->len, p->size - p->len, format, args);
	va_end(args);
	if (n > 0)
		p->len += (size_t)n < p->size - p->len ? (size_t)n : p->size - p->len - 1;
}

static void say_path(struct printer *p, const char *path)
{
	say(p, " ");
	p->len += orc_escape(path ? path : ".", p->buf + p->len, p->size - p->len);
}

static void say_flags(struct printer *p, uint32_t flags)
{
	const char *sep = " flags=";
	size_t i;

	for (i = 0; i < FLAG_WORDS; i++) {
		if (!(flags & 1u << i))
			continue;
		say(p, "%s%s", sep, flag_words[i]);
		sep = ",";
	}
}

static void say_key(struct printer *p, const struct orc_op *op, const char *key)
{
	switch (key[0]) {
	case 'o': say(p, " off=%llu", (unsigned long long)op->off); break;
	case 't': say(p, " to=%llu", (unsigned long long)op->to); break;
	case 'l': say(p, " len=%llu", (unsigned long long)op->len); break;
	case 's': say(p, " seed=%u", op->seed); break;
	case 'm': say(p, " mode=%o", op->mode); break;
	case 'u': say(p, " uid=%u", op->uid); break;
	case 'g': say(p, " gid=%u", op->gid); break;
	case 'f': say_flags(p, op->flags); break;
	}
}

size_t orc_op_print(const struct orc_op *op, char *buf, size_t size)
{
	struct printer p = { .buf = buf, .size = size };
	const char *at;

	if (!size)
		return 0;
	say(&p, "%s", orc_kind_name(op->kind));
	for (at = kinds[op->kind].operands; *at; at++) {
		if (*at == '@' || (*at == 'x' && op->slot >= 0))
			say(&p, " @%d", op->slot);
		else
			say_path(&p, *at == 'q' || *at == 'n' ? op->path2 : op->path);
	}
	for (at = kinds[op->kind].keys; *at; at += strcspn(at, " "), at += *at == ' ')
		say_key(&p, op, at);
	return p.len;
}
