// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "injected.h"

#define MARK	"injected: "

void vx_injected_print(const struct vx_injected *done, char *ret, size_t size)
{
	snprintf(ret, size,
		 MARK "counts=%llu,%llu,%llu,%llu hits=%u took=%u missing=%u kind=%u sector=%llu bytes=%llu in=%.*s site=%.*s",
		 (unsigned long long)done->counts[0], (unsigned long long)done->counts[1],
		 (unsigned long long)done->counts[2], (unsigned long long)done->counts[3], done->hits, done->took,
		 done->missing, done->kind, (unsigned long long)done->sector, (unsigned long long)done->bytes,
		 (int)sizeof(done->function) - 1, done->function, (int)sizeof(done->site) - 1, done->site);
}

/* "key=" at *p, then a number up to `max`, then `end`: *p is behind that. */
static bool number(const char **p, const char *key, unsigned long long max, char end, unsigned long long *ret)
{
	char *stop;

	if (strncmp(*p, key, strlen(key)))
		return false;
	*p += strlen(key);
	if (!isdigit((unsigned char)**p))
		return false;
	*ret = strtoull(*p, &stop, 10);
	if (*stop != end || *ret > max)
		return false;
	*p = stop + 1;
	return true;
}

/* "key=", then text up to `end`. Only what names and offsets are made of. */
static bool word(const char **p, const char *key, char end, char *ret, size_t size)
{
	size_t len;

	if (strncmp(*p, key, strlen(key)))
		return false;
	*p += strlen(key);
	for (len = 0; (*p)[len] && (*p)[len] != '\n' && (*p)[len] != end; len++)
		if (!isalnum((unsigned char)(*p)[len]) && !strchr("_.+/ []-$", (*p)[len]))
			return false;
	if (len >= size || (end && (*p)[len] != end))
		return false;
	memcpy(ret, *p, len);
	ret[len] = '\0';
	*p += len + (end != 0);
	return true;
}

static const char *last_line(const char *text)
{
	const char *found = NULL, *p = text;

	while ((p = strstr(p, MARK))) {
		if (p == text || p[-1] == '\n')
			found = p;
		p += strlen(MARK);
	}
	return found;
}

bool vx_injected_parse(const char *text, struct vx_injected *ret)
{
	static const struct { const char *key; unsigned long long max; char end; } numbers[] = {
		{ "counts=", ~0ull, ',' }, { "", ~0ull, ',' }, { "", ~0ull, ',' }, { "", ~0ull, ' ' },
		{ "hits=", 1, ' ' }, { "took=", 1, ' ' }, { "missing=", 1, ' ' }, { "kind=", VX_INJECT_ALL, ' ' },
		{ "sector=", ~0ull, ' ' }, { "bytes=", ~0ull, ' ' },
	};
	unsigned long long n[sizeof(numbers) / sizeof(numbers[0])];
	struct vx_injected done = { 0 };
	const char *p = last_line(text);
	size_t i;

	if (!p)
		return false;
	p += strlen(MARK);
	for (i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		if (!number(&p, numbers[i].key, numbers[i].max, numbers[i].end, &n[i]))
			return false;
	if (!word(&p, "in=", ' ', done.function, sizeof(done.function)) ||
	    !word(&p, "site=", '\0', done.site, sizeof(done.site)))
		return false;
	for (i = 0; i < VX_INJECT_KINDS; i++)
		done.counts[i] = n[i];
	done.hits = (unsigned int)n[4];
	done.took = (unsigned int)n[5];
	done.missing = (unsigned int)n[6];
	done.kind = (unsigned int)n[7];
	done.sector = n[8];
	done.bytes = n[9];
	*ret = done;
	return true;
}

const char *vx_inject_words(unsigned int what)
{
	switch (what) {
	case VX_INJECT_ALLOC:
		return "an allocation";
	case VX_INJECT_READ:
		return "a read";
	case VX_INJECT_WRITE:
		return "a write";
	case VX_INJECT_FLUSH:
		return "a flush";
	default:
		return "something";
	}
}
