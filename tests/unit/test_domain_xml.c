// SPDX-License-Identifier: GPL-2.0
/* Nothing that a user names can break out of its place in the domain's XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "domain_xml.h"

#define QEMU_10 10000002ul

static const struct domain_paths paths = { "/run/a/console", "/run/a/channel", NULL };

static struct vm_config plain(void)
{
	return (struct vm_config) {
		.name = "vexlab", .kernel = "/k", .cmdline = "quiet", .accel = VM_ACCEL_TCG,
		.memory_mib = 512, .vcpus = 2, .rundir = "/run/a",
	};
}

static void on_element(GMarkupParseContext *context, const char *element, const char **names, const char **values,
		       void *data, GError **error)
{
	GString *seen = data;

	g_string_append_printf(seen, "@%s", element);
	for (; *names; names++, values++)
		g_string_append_printf(seen, " %s=[%s]", *names, *values);
}

static void on_text(GMarkupParseContext *context, const char *text, gsize len, void *data, GError **error)
{
	if (len)
		g_string_append_printf(data, "{%.*s}", (int)len, text);
}

/* Well-formed, or the test fails; elements, values and texts as a reader gets them. */
static char *parsed(const char *xml)
{
	const GMarkupParser parser = { .start_element = on_element, .text = on_text };
	GString *seen = g_string_new(NULL);
	GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, seen, NULL);
	g_autoptr(GError) error = NULL;

	if (!g_markup_parse_context_parse(context, xml, -1, &error) ||
	    !g_markup_parse_context_end_parse(context, &error))
		fail_msg("%s", error->message);
	g_markup_parse_context_free(context);
	return g_string_free(seen, FALSE);
}

static void test_escapes(void **state)
{
	const struct vm_disk disk = { "/d'/><evil a=\"&.img", "raw", "s<1>", TRUE };
	struct vm_config c = plain();
	g_autofree char *xml = NULL, *seen = NULL;

	c.kernel = "/k</kernel><evil/>";
	c.cmdline = "a='b' c=\"d\" & <e>";
	c.disks = &disk;
	c.ndisks = 1;
	xml = domain_xml(&c, &paths, QEMU_10);
	seen = parsed(xml);
	assert_null(strstr(seen, "@evil"));
	assert_non_null(strstr(seen, "@kernel{/k</kernel><evil/>}"));
	assert_non_null(strstr(seen, "{a='b' c=\"d\" & <e>}"));
	assert_non_null(strstr(seen, "file=[/d'/><evil a=\"&.img]"));
	assert_non_null(strstr(seen, "@serial{s<1>}@readonly"));
}

static void test_no_way_out(void **state)
{
	struct vm_config c = plain();
	g_autofree char *without = domain_xml(&c, &paths, QEMU_10), *with = NULL;

	assert_null(strstr(without, "netdev"));
	assert_null(strstr(without, "<interface"));
	c.ssh_port = 2222;
	with = domain_xml(&c, &paths, QEMU_10);
	assert_non_null(strstr(with, "restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"));
}

static void test_old_qemu_loses_cx16(void **state)
{
	struct vm_config c = plain();
	g_autofree char *old = domain_xml(&c, &paths, 7002022), *new = domain_xml(&c, &paths, 8000000), *kvm = NULL;

	assert_non_null(strstr(old, "<feature policy='disable' name='cx16'/>"));
	assert_null(strstr(new, "cx16"));
	c.accel = VM_ACCEL_KVM;
	kvm = domain_xml(&c, &paths, 7002022);
	assert_null(strstr(kvm, "cx16"));
	assert_non_null(strstr(kvm, "<domain type='kvm'"));
}

/* What this host can do better is used, and what it cannot is not asked of it. */
static void test_what_the_host_has(void **state)
{
	struct vm_disk disk = { "/run/a/scratch", "qcow2", "scratch", FALSE };
	struct vm_config c = plain();
	g_autofree char *poor = NULL, *rich = NULL, *seen = NULL;

	c.disks = &disk;
	c.ndisks = 1;
	poor = domain_xml(&c, &paths, QEMU_10);
	assert_null(strstr(poor, "<loader"));
	assert_non_null(strstr(poor, "io='threads'"));
	c.firmware = "/rom<1>";
	c.io_uring = TRUE;
	rich = domain_xml(&c, &paths, QEMU_10);
	seen = parsed(rich);
	assert_non_null(strstr(seen, "@loader readonly=[yes] type=[rom]{/rom<1>}"));
	assert_non_null(strstr(seen, "io=[io_uring]"));
}

/* Two runs share a state whatever their paths, but not with another machine. */
static void test_skeleton(void **state)
{
	struct vm_disk disk = { "/run/a/scratch", "qcow2", "scratch", FALSE };
	struct vm_config a = plain(), b = plain();
	g_autofree char *of_a = NULL, *of_b = NULL, *of_c = NULL;

	a.disks = b.disks = &disk;
	a.ndisks = b.ndisks = 1;
	a.ssh_port = 1000;
	b.ssh_port = 2000;
	of_a = domain_xml_skeleton(&a, QEMU_10);
	disk.path = "/run/b/scratch";
	b.kernel = "/other/k";
	b.rundir = "/run/b";
	of_b = domain_xml_skeleton(&b, QEMU_10);
	assert_string_equal(of_a, of_b);
	b.vcpus++;
	of_c = domain_xml_skeleton(&b, QEMU_10);
	assert_string_not_equal(of_a, of_c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_no_way_out),
		cmocka_unit_test(test_old_qemu_loses_cx16),
		cmocka_unit_test(test_what_the_host_has),
		cmocka_unit_test(test_skeleton),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
