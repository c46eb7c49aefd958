# SPDX-License-Identifier: GPL-2.0
#
# vexlab: one file builds everything, out of tree, under build/.
#
#	make run [TARGET=ext4] [VEXFS=/path/to/source] [ARGS=...]	install what is missing, build, make the guest, run
#	make test							the same, then every test
#	make setup | all | guest | bench | reliability | leaks | stability | regression | endurance | kernels | lint | fuzz | clean
#
# V=1 shows commands. A folder sees only the headers that its line in "Who may
# include whom" names: a detector that includes vm.h does not compile.

B	:= build
V	?= 0
TARGET	?= ext4
SCENARIO ?= mount-cycles
VEXFS	?=
ARGS	?=
FUZZ_SECONDS ?= 600

.DEFAULT_GOAL	:= all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS	+= --no-builtin-rules

ifeq ($(V),1)
Q	:=
msg	:=
else
Q	:= @
msg	= @printf '  %-8s %s\n' '$(1)' '$(2)';
MAKEFLAGS += --no-print-directory
endif

JOBS	:= $(shell nproc)
CC	:= gcc
CLANG	:= clang
BPFTOOL	:= $(firstword $(shell command -v bpftool) /usr/sbin/bpftool)
VERSION	:= $(shell git describe --always --dirty 2>/dev/null || echo unversioned)

# Entry points that must work on an empty machine come first: they install, then call make again.
ENTRY	:= setup run test bench reliability leaks stability regression endurance kernels guest clean lint help
ifneq ($(filter-out $(ENTRY),$(or $(MAKECMDGOALS),all)),)
NEED_TOOLS := 1
endif

PKGS	:= glib-2.0 gio-2.0 gio-unix-2.0 jansson yaml-0.1 zlib libssh libpcre2-8 libdw libelf sqlite3 libcurl
VIRT_PKGS := libvirt libvirt-qemu libvirt-glib-1.0
ifdef NEED_TOOLS
ifneq ($(shell pkg-config --exists $(PKGS) libvirt libvirt-glib-1.0 cmocka && command -v $(CLANG) && echo ok | tail -1),)
else
$(error packages are missing: run `make setup` first (scripts/setup.sh --print names them))
endif
PKG_CFLAGS	:= $(shell pkg-config --cflags $(PKGS))
PKG_LIBS	:= $(shell pkg-config --libs $(PKGS)) -lm
VIRT_CFLAGS	:= $(shell pkg-config --cflags libvirt libvirt-glib-1.0)
VIRT_LIBS	:= $(shell pkg-config --libs libvirt libvirt-glib-1.0) -lvirt-qemu
endif

WARN	:= -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wno-unused-parameter
OPT	:= -O2 -g
CSTD	:= -std=gnu11 -D_GNU_SOURCE
HARDEN	:= -fstack-protector-strong -D_FORTIFY_SOURCE=2
SAN	:= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS	:= $(CSTD) $(WARN)

# --- Who may include whom -----------------------------------------------------
R	:= userspace/runner
i_common	:= include userspace/common
i_agent		:= $(i_common) userspace/agent $(B)/bpf
i_base		:= $(i_common) $R/base
i_vm		:= $(i_base) $R/vm
i_link		:= $(i_base) $R/link
i_record	:= $(i_base) $R/record
i_scenario	:= $(i_base) $R/scenario
i_guest		:= $(i_base) $R/guest
i_detect	:= $(i_record) $R/detect
i_score		:= $(i_detect) $R/score
i_history	:= $(i_score) $R/history
i_report	:= $(i_history) $R/report
i_run		:= $(i_report) $R/vm $R/link $R/scenario $R/guest $R/run
i_cmd		:= $(i_run) $R
i_tests		:= $(i_cmd) userspace/agent tests/unit tests/integration tests/guest/faultfs

HOST_DIRS	:= base vm link record scenario guest detect score history report run

common_src	:= $(wildcard userspace/common/*.c)
agent_src	:= $(wildcard userspace/agent/*.c)
host_src	:= $(foreach d,$(HOST_DIRS),$(wildcard $R/$d/*.c))
cmd_src		:= $(wildcard $R/*.c)
bpf_src		:= $(wildcard bpf/*.bpf.c)
skels		:= $(bpf_src:bpf/%.bpf.c=$(B)/bpf/%.skel.h)

obj		= $(1:%.c=$(B)/$(2)/%.o)

# --- Flags are a dependency: changing them rebuilds --------------------------
FLAGS_STAMP	:= $(B)/.flags
flags_text	:= $(CC) $(CLANG) $(OPT) $(FLAGS) $(HARDEN) $(SAN) $(PKG_CFLAGS) $(VIRT_CFLAGS)
ifdef NEED_TOOLS
$(shell mkdir -p $(B); echo '$(flags_text)' | cmp -s - $(FLAGS_STAMP) || echo '$(flags_text)' >$(FLAGS_STAMP))
endif

.PHONY: all setup run test bench reliability leaks stability regression endurance kernels guest lint fuzz clean help check unit integration FORCE
all: $(B)/vexlab $(B)/vexlab-agent $(B)/vexlab-init

help:
	@sed -n '2,12s/^# \{0,1\}//p' Makefile

# --- Entry points -----------------------------------------------------------
setup:
	@scripts/setup.sh

run: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@$(B)/vexlab run --target '$(TARGET)' --scenario '$(SCENARIO)' $(if $(VEXFS),--source '$(VEXFS)') $(ARGS)

test: setup
	@scripts/setup.sh --tests
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@$(MAKE) -j$(JOBS) test-programs
	@tests/run.sh $(B)

bench: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@$(MAKE) -j$(JOBS) bench-programs
	@tests/bench/run.sh $(B) $(ARGS)

reliability: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@tests/reliability/run.sh $(B) $(FAULTS)

leaks: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@tests/leaks/run.sh $(B) $(HUNTS)

stability: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@$(if $(SOAK),tests/stability/soak.sh $(B) $(SOAK),VEXLAB_STABILITY_REPLAYS=$(REPLAYS) tests/stability/run.sh $(B) $(DEFECTS))

regression: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@tests/regression/run.sh $(B) $(RUNS)

kernels: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@tests/kernels/run.sh $(B) $(KERNELS)

endurance: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build
	@$(MAKE) -j$(JOBS) $(B)/tests/integration/test_endurance $(B)/tests/integration/test_survival
	@tests/endurance/run.sh $(B) $(SEED)

guest: setup
	@$(MAKE) -j$(JOBS) all
	@$(B)/vexlab guest build

clean:
	$(call msg,CLEAN,$(B))rm -rf $(B)

# --- Host and guest programs -------------------------------------------------
# No git revision here: it would make every commit a new agent, and every ready state stale.
agent_version	:= -DVX_VERSION='"0.1.0"'

define compile_rule
$(B)/$(1)/$(2)/%.o: $(2)/%.c $(FLAGS_STAMP) $(4)
	@mkdir -p $$(@D)
	$$(call msg,CC,$$<)$(CC) $(OPT) $(FLAGS) $(3) -MMD -MP -c -o $$@ $$<
endef
inc	= $(addprefix -I,$(i_$(1)))

$(eval $(call compile_rule,host,userspace/common,$(HARDEN) $(call inc,common),))
$(eval $(call compile_rule,guest,userspace/common,$(call inc,common),))
$(eval $(call compile_rule,guest,userspace/agent,$(agent_version) $(call inc,agent) -isystem $(B)/bpf,$(skels)))
$(foreach d,$(filter-out vm,$(HOST_DIRS)),\
	$(eval $(call compile_rule,host,$R/$d,$(HARDEN) $(call inc,$d) $(PKG_CFLAGS),)))
$(eval $(call compile_rule,host,$R/vm,$(HARDEN) $(call inc,vm) $(PKG_CFLAGS) $(VIRT_CFLAGS),))
# The commands sit beside the folders: match them last, so that folders win.
$(B)/host/$R/%.o: $R/%.c $(FLAGS_STAMP) $(B)/version.h
	@mkdir -p $(@D)
	$(call msg,CC,$<)$(CC) $(OPT) $(FLAGS) $(HARDEN) $(call inc,cmd) -I$(B) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/version.h: FORCE
	@echo '#define VX_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define VX_VERSION "$(VERSION)"' >$@

host_obj	:= $(call obj,$(common_src) $(host_src),host)
$(B)/vexlab: $(host_obj) $(call obj,$(cmd_src),host)
	$(call msg,LD,$@)$(CC) -o $@ $^ $(PKG_LIBS) $(VIRT_LIBS)

$(B)/vexlab-agent: $(call obj,$(common_src),guest) $(call obj,$(agent_src),guest)
	$(call msg,LD,$@)$(CC) -static -o $@ $^ -lbpf -lelf -lz -lpthread

$(B)/vexlab-init: guest/init.c $(FLAGS_STAMP)
	$(call msg,CC,$<)$(CC) -static -Os $(FLAGS) -o $@ $<

# --- BPF --------------------------------------------------------------------
BPF_FLAGS	:= -target bpf -mcpu=v3 -g -O2 -D__bpf__ -D__TARGET_ARCH_x86 -Wall -Werror -Iinclude -Ivmlinux-btf

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call msg,BPF,$<)$(CLANG) $(BPF_FLAGS) -MMD -MP -MT $@ -c -o $@.tmp $< && $(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp
$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

# --- Tests: unit tests under sanitizers, linked with the whole library -------
unit_src	:= $(wildcard tests/unit/test_*.c)
integration_src	:= $(wildcard tests/integration/test_*.c)
bench_src	:= $(wildcard tests/bench/bench_*.c)
unit_bin	:= $(unit_src:%.c=$(B)/%)
integration_bin	:= $(integration_src:%.c=$(B)/%)
bench_bin	:= $(bench_src:%.c=$(B)/%)

$(eval $(call compile_rule,san,userspace/common,$(SAN) $(call inc,common),))
$(foreach d,$(filter-out vm,$(HOST_DIRS)),\
	$(eval $(call compile_rule,san,$R/$d,$(SAN) $(call inc,$d) $(PKG_CFLAGS),)))
$(eval $(call compile_rule,san,$R/vm,$(SAN) $(call inc,vm) $(PKG_CFLAGS) $(VIRT_CFLAGS),))
$(eval $(call compile_rule,san,userspace/agent,$(SAN) $(call inc,agent),))
$(eval $(call compile_rule,san,tests,$(SAN) $(call inc,tests) -DVX_TREE='"$(CURDIR)"' $(PKG_CFLAGS),))

san_lib		:= $(B)/san/libvexlab.a
$(san_lib): $(call obj,$(common_src) $(host_src),san)
	@rm -f $@
	$(call msg,AR,$@)ar rcs $@ $^

# The agent without its main loop and its BPF programs: what it does by itself.
agent_ops_src	:= $(filter-out $(addprefix userspace/agent/,main.c probes.c tracer.c),$(agent_src))
agent_lib	:= $(B)/san/libagent.a
$(agent_lib): $(call obj,$(agent_ops_src),san)
	@rm -f $@
	$(call msg,AR,$@)ar rcs $@ $^

$(B)/tests/%: $(B)/san/tests/%.o $(agent_lib) $(san_lib)
	@mkdir -p $(@D)
	$(call msg,LD,$@)$(CC) $(SAN) -o $@ $< $(agent_lib) $(san_lib) $(PKG_LIBS) $(VIRT_LIBS) -lcmocka -lpthread
$(B)/tests/bench/%: $(B)/host/tests/bench/%.o $(host_obj)
	@mkdir -p $(@D)
	$(call msg,LD,$@)$(CC) -o $@ $^ $(PKG_LIBS) $(VIRT_LIBS)
$(eval $(call compile_rule,host,tests/bench,$(call inc,tests) $(PKG_CFLAGS),))

.PHONY: test-programs bench-programs
test-programs: $(unit_bin) $(integration_bin)
bench-programs: $(bench_bin)

# Only the unit tests: no guest, no network, seconds.
unit: all $(unit_bin)
	@tests/run.sh $(B) unit

# --- Fuzzers: libFuzzer, one per parser ---------------------------------------
fuzz_src	:= $(wildcard tests/fuzz/fuzz_*.c)
fuzz_bin	:= $(fuzz_src:%.c=$(B)/%)
# What reads bytes of a guest's, and files that may come from anywhere.
fuzz_lib_src	:= $(common_src) $(wildcard $R/detect/oops*.c $R/scenario/plan*.c) $R/detect/locks_parse.c \
			$R/scenario/yamlfile.c $R/scenario/imageformat.c $R/base/error.c
$(B)/tests/fuzz/%: tests/fuzz/%.c $(fuzz_lib_src) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call msg,FUZZ,$@)$(CLANG) $(OPT) $(CSTD) -fsanitize=fuzzer,address,undefined $(call inc,detect) $(call inc,scenario) $(PKG_CFLAGS) \
		-o $@ $< $(fuzz_lib_src) $(PKG_LIBS)
# An export's lines need the folders below it, but for what needs a guest.
history_src	:= $(wildcard $R/history/entry*.c $R/history/samples.c $R/score/*.c $R/detect/*.c $R/record/*.c $R/base/*.c)
$(B)/tests/fuzz/fuzz_history: tests/fuzz/fuzz_history.c $(common_src) $(history_src) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call msg,FUZZ,$@)$(CLANG) $(OPT) $(CSTD) -fsanitize=fuzzer,address,undefined $(call inc,history) $(PKG_CFLAGS) \
		-o $@ $< $(common_src) $(history_src) $(PKG_LIBS)
fuzz: $(fuzz_bin)
	@tests/fuzz/run.sh $(B) $(FUZZ_SECONDS)

# --- Lint ---------------------------------------------------------------------
lint: setup
	@$(MAKE) -j$(JOBS) all
	@scripts/lint.sh

ifdef NEED_TOOLS
-include $(shell find $(B) -name '*.d' 2>/dev/null)
-include $(wildcard guest/rules.mk tests/guest/rules.mk)
endif
