# tilecrew: `make help` lists the targets.
SHELL := /bin/bash
BUILD ?= build
ifeq ($(SANITIZE),1)
BUILD := build-sanitize
SANITIZE_FLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
# TEST_OPERATIONS=1: a build of its own that has the fault tests' operations too.
ifeq ($(TEST_OPERATIONS),1)
BUILD := build-test-operations
TEST_KERNELS := $(sort $(wildcard tests/faults/kernels/*.cl))
endif
CC ?= gcc
ROOMS := base config queue image compute store aws
PROGRAMS := tilecrew tilecrew-worker tilecrew-monitor
WARNINGS := -Wall -Wextra -Wformat=2 -Wshadow -Wvla -Werror
CPPFLAGS += -I. -I$(BUILD)/generated -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c17 $(CFLAGS) $(WARNINGS) $(SANITIZE_FLAGS) -fPIC -MMD -MP
LDLIBS += -lhiredis -lOpenCL -ljpeg -lpng -lz -lyaml -ljansson -lm -lpthread
LDFLAGS += $(SANITIZE_FLAGS)

# One short line for each command; V=1 shows the command itself.
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $@;)

# --- sources: every .c of a room belongs to the library; every .cl is an operation, every .lua a script
ROOM_SOURCES := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
KERNELS := $(sort $(wildcard kernels/*.cl)) $(TEST_KERNELS)
SCRIPTS := $(sort $(wildcard queue/scripts/*.lua))
PRELUDE := $(wildcard compute/*.cl)
object = $(patsubst %.c,$(BUILD)/objects/%.o,$(1))
LIBRARY := $(BUILD)/libtilecrew.a
EMBEDDED := $(BUILD)/objects/generated/embedded.o
PROGRAM_FILES := $(addprefix $(BUILD)/bin/,$(PROGRAMS))

.PHONY: all
all: $(PROGRAM_FILES) ## build the three programs into build/bin (the default)

program_sources = $(wildcard $(1)/*.c)
$(BUILD)/bin/tilecrew: $(call object,$(call program_sources,producer))
$(BUILD)/bin/tilecrew-worker: $(call object,$(call program_sources,worker))
$(BUILD)/bin/tilecrew-monitor: $(call object,$(call program_sources,monitor))
$(PROGRAM_FILES): $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LDLIBS)

$(LIBRARY): $(call object,$(ROOM_SOURCES)) $(EMBEDDED)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,archive)$(AR) rcs $@ $^

$(BUILD)/objects/%.o: %.c
	@mkdir -p $(@D)
	$(call say,compile)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# --- embedded text: kernels, the kernels' prelude, the queue's scripts; and the list of operations
$(BUILD)/generated/embedded.S $(BUILD)/generated/operations.inc &: $(KERNELS) $(SCRIPTS) $(PRELUDE) scripts/embed.sh
	@mkdir -p $(BUILD)/generated
	@scripts/embed.sh $(BUILD)/generated $(KERNELS) $(PRELUDE) $(SCRIPTS)
$(EMBEDDED): $(BUILD)/generated/embedded.S
	@mkdir -p $(@D)
	$(call say,embed)$(CC) -c -o $@ $<
$(BUILD)/objects/compute/operations.o: $(BUILD)/generated/operations.inc $(KERNELS)

include scripts/demo.mk
include tests/tests.mk
-include bench/bench.mk

-include $(shell find $(BUILD)/objects -name '*.d' 2>/dev/null)

.PHONY: help
help: ## this list
	@grep -hE '^[a-zA-Z_-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: clean
clean: ## remove what was built
	rm -rf build build-sanitize build-test-operations
