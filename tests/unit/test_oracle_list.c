// SPDX-License-Identifier: GPL-2.0
/* Operation lists: what is printed is read again as the same; what is wrong is told with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "oracle_list.h"

static char why[256];

static int parse(const char *text, struct orc_list *list)
{
	return orc_list_parse(text, strlen(text), list, why, sizeof(why));
}

static void printed_again(const char *text)
{
	char line[ORC_LINE_MAX];
	struct orc_list list;

	if (parse(text, &list))
		fail_msg("%s: %s", text, why);
	assert_int_equal(list.n, 1);
	orc_op_print(&list.ops[0], line, sizeof(line));
	assert_string_equal(line, text);
	orc_list_free(&list);
}

static void each_operation_round_trips(void **state)
{
	static const char *const lines[] = {
		"create a/b flags=EXCL mode=640", "open @3 a flags=CREAT,APPEND mode=644", "close @0", "mkdir d mode=755",
		"rmdir d", "unlink a", "write a off=17 len=300 seed=5", "write @7 off=0 len=4096 seed=1 flags=DIRECT",
		"append a len=5 seed=2", "read a off=0 len=10", "mapwrite a off=1 len=2 seed=3", "mapread a off=1 len=2",
		"truncate a len=1099511627776", "fallocate a off=1 len=2 flags=KEEP_SIZE,PUNCH_HOLE",
		"copy a b off=1 to=2 len=3", "fsync @1", "fdatasync a", "syncfs", "sync", "rename a/b c flags=EXCHANGE",
		"link a b", "symlink x a", "readlink a", "mkfifo f mode=600", "tmpfile @2 . mode=644", "linkfd @2 a",
		"setxattr a k len=5 seed=1 flags=REPLACE", "getxattr a k", "removexattr a k", "listxattr a",
		"chmod a mode=4755", "chown a uid=1 gid=2", "utimens a off=1000000000", "stat a", "readdir .", "statfs", "clear",
		"drop-caches", "compare", "remount", "power-cut", "space",
	};
	size_t i;

	assert_int_equal(sizeof(lines) / sizeof(lines[0]), ORC_KINDS + 1);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		printed_again(lines[i]);
}

static void odd_bytes_are_escaped(void **state)
{
	struct orc_list list;
	char word[64];

	printed_again("unlink a\\x20b\\xff\\x40\\x23\\x5c");
	assert_int_equal(parse("unlink a\\x20b\\xff", &list), 0);
	assert_string_equal(list.ops[0].path, "a b\xff");
	orc_list_free(&list);
	orc_escape("@ #\\\n", word, sizeof(word));
	assert_string_equal(word, "\\x40\\x20\\x23\\x5c\\x0a");
	assert_int_equal(orc_unescape(word), 0);
	assert_string_equal(word, "@ #\\\n");
}

static void comments_and_blanks_are_nothing(void **state)
{
	struct orc_list list;

	assert_int_equal(parse("# one\n\n  create\ta  # two\n\r\nunlink a", &list), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.ops[1].line, 5);
	orc_list_free(&list);
	assert_int_equal(parse("", &list), 0);
	assert_int_equal(list.n, 0);
	orc_list_free(&list);
}

static void refused(const char *text, const char *words)
{
	struct orc_list list;

	assert_int_equal(parse(text, &list), -22);
	if (!strstr(why, words))
		fail_msg("%s: %s", text, why);
}

static void mistakes_are_told(void **state)
{
	refused("create a\nfly a\n", "line 2: \"fly\" is no operation");
	refused("create", "lacks an operand");
	refused("create /etc/passwd", "is no path");
	refused("create a/../../b", "is no path");
	refused("create a//b", "is no path");
	refused("create a\\x00", "is no path");
	refused("symlink ../../etc a", "is no path");
	refused("close @8", "is no open file");
	refused("write a off=x", "is no number");
	refused("write a off=-1", "is no number");
	refused("write a len=99999999", "is no number");
	refused("write a mode=1", "does not take");
	refused("rename a b flags=SWAP", "\"SWAP\" is no flag");
	refused("chmod a mode=8", "is no number");
}

static void sizes_are_bounded(void **state)
{
	struct orc_list list;
	size_t n = ORC_OPS_MAX + 1, i;
	char *text = malloc(n * 5 + 1), *name;

	for (i = 0; i < n; i++)
		memcpy(text + i * 5, "sync\n", 6);
	assert_int_equal(parse(text, &list), -22);
	text[(n - 1) * 5] = '\0';
	assert_int_equal(parse(text, &list), 0);
	orc_list_free(&list);
	free(text);
	name = calloc(1, ORC_PATH_MAX + 16);
	strcpy(name, "stat ");
	memset(name + 5, 'a', ORC_PATH_MAX);
	assert_int_equal(parse(name, &list), 0);
	orc_list_free(&list);
	name[5 + ORC_PATH_MAX] = 'a';
	assert_int_equal(parse(name, &list), -22);
	free(name);
	assert_int_equal(orc_list_parse("sync\0sync", 9, &list, why, sizeof(why)), -22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_round_trips),
		cmocka_unit_test(odd_bytes_are_escaped),
		cmocka_unit_test(comments_and_blanks_are_nothing),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
