# tests.mk: how everything is tested; part of the Makefile. `make check` is all of it.
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_SHARED := $(call object,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
VENV := .venv
COUNTS := $(BUILD)/counts

ifeq ($(SANITIZE),1)
export ASAN_OPTIONS := allocator_may_return_null=1
export LSAN_OPTIONS := suppressions=$(CURDIR)/tests/sanitize/leaks.supp:print_suppressions=0
export UBSAN_OPTIONS := print_stacktrace=1
endif

.PHONY: deps
deps: ## install what building and testing need, by apt, if it is missing
	scripts/install-deps.sh build test

.PHONY: check
check: ## install what is missing, build, run every test and linter; ends with the counts (SANITIZE=1: under ASan, UBSan)
	+@MAKE="$(MAKE)" COUNTS=$(COUNTS) FAULTS=short tests/check.sh deps all unit system $(if $(SANITIZE),,faults) $(if $(SANITIZE),,lint)

# A test program that cannot be built fails by itself: the others run all the same.
.PHONY: unit unit-programs
unit: ## the unit tests (TEST=test_config for one)
	+@mkdir -p $(COUNTS); status=0; \
	$(MAKE) -k --no-print-directory unit-programs || status=$$?; \
	python3 tests/tools/run_unit.py --counts $(COUNTS)/unit $(filter %$(TEST),$(UNIT_PROGRAMS)) && exit $$status
unit-programs: $(filter %$(TEST),$(UNIT_PROGRAMS))

.PHONY: system
system: all tools $(VENV)/ready ## the tests of the whole programs (TEST=expression as in pytest -k)
	@mkdir -p $(COUNTS)
	@TILECREW_BUILD=$(BUILD) TILECREW_COUNTS=$(COUNTS)/system $(VENV)/bin/pytest -q -p no:cacheprovider \
	    -k "$(TEST)" tests/system

# --- faults (tests/faults/conftest.py): the long form writes the table of docs/reliability.md
FAULTS ?= long
SHIMS := $(BUILD)/tests/fault_shim.so $(BUILD)/tests/fault_clock.so
.PHONY: faults
faults: all $(SHIMS) test-operations $(VENV)/ready ## kill, stop, cut off and starve everything (FAULTS=short, FAULTS_SEED=N, FAULTS_SOAK_MINUTES=N, TEST=expression)
	@mkdir -p $(COUNTS)
	@FAULTS=$(FAULTS) TILECREW_BUILD=$(BUILD) TILECREW_COUNTS=$(COUNTS)/faults $(VENV)/bin/pytest -q -p no:cacheprovider \
	    -k "$(TEST)" tests/faults
	$(if $(filter long,$(FAULTS)),@$(VENV)/bin/python tests/faults/report.py $(BUILD)/faults docs/reliability.md)
.PHONY: test-operations
test-operations:
	+@$(MAKE) --no-print-directory TEST_OPERATIONS=1 all
$(SHIMS): $(BUILD)/tests/fault_%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(call say,link)$(CC) $(CPPFLAGS) -std=c17 $(CFLAGS) $(WARNINGS) -fPIC -shared -o $@ $< -ldl

$(UNIT_PROGRAMS): $(BUILD)/tests/%: $(BUILD)/objects/tests/unit/%.o $(UNIT_SHARED) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LDLIBS) -lcmocka

$(VENV)/ready: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

# --- programs that tests talk to
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
.PHONY: tools
tools: $(TOOLS)
$(TOOLS): $(BUILD)/tests/%: $(BUILD)/objects/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

config/tilecrew.yaml: config/keys.c $(BUILD)/bin/tilecrew
	$(BUILD)/bin/tilecrew config >$@.new && mv $@.new $@

# --- lint: format, clang-tidy, cppcheck, shellcheck, lengths
C_SOURCES := $(sort $(wildcard $(foreach room,$(ROOMS) producer worker monitor bench tests/unit tests/tools tests/faults,$(room)/*.c)))
C_HEADERS := $(sort $(wildcard $(foreach room,$(ROOMS) producer worker monitor bench tests/unit tests/tools,$(room)/*.h)))
TIDY_STAMPS := $(patsubst %.c,$(BUILD)/lint/%.tidy,$(filter-out bench/% tests/%,$(C_SOURCES)))
SHELL_SCRIPTS := $(sort $(wildcard scripts/*.sh tests/*.sh bench/*.sh)) .ci/run

.PHONY: lint
lint: lint-format lint-lengths lint-shell lint-cppcheck lint-tidy ## format, clang-tidy, cppcheck, shellcheck, lengths

.PHONY: format
format: $(VENV)/ready ## put the C sources into the house's format
	$(VENV)/bin/clang-format -i $(C_SOURCES) $(C_HEADERS)

.PHONY: lint-format lint-lengths lint-shell lint-cppcheck lint-tidy
lint-format: $(VENV)/ready
	@$(VENV)/bin/clang-format --dry-run -Werror $(C_SOURCES) $(C_HEADERS)
lint-lengths:
	@awk -f tests/tools/lengths.awk $(C_SOURCES) $(C_HEADERS)
lint-shell:
	shellcheck $(SHELL_SCRIPTS)
lint-cppcheck: compile_commands.json $(BUILD)/generated/operations.inc
	@mkdir -p $(BUILD)/lint/cppcheck
	cppcheck --project=compile_commands.json --cppcheck-build-dir=$(BUILD)/lint/cppcheck -q --error-exitcode=1 \
	    --enable=warning,performance,portability --inline-suppr --suppressions-list=tests/tools/cppcheck.txt
lint-tidy: $(TIDY_STAMPS)
$(BUILD)/lint/%.tidy: $(BUILD)/objects/%.o .clang-tidy tests/tools/tidy.sh | compile_commands.json
	@mkdir -p $(@D)
	@tests/tools/tidy.sh $*.c && touch $@

compile_commands.json: Makefile tests/tests.mk $(C_SOURCES)
	@flags=$$(printf '%s\n' $(CPPFLAGS) -std=c17 $(WARNINGS) | sed 's/["\\]/\\&/g; s/.*/"&"/' | paste -sd,); \
	for file in $(C_SOURCES); do \
	    printf '{"directory": "%s", "file": "%s", "arguments": ["cc", %s, "-c", "%s"]}\n' "$(CURDIR)" "$$file" "$$flags" "$$file"; \
	done | sed '1s/^/[/; $$!s/$$/,/; $$s/$$/]/' >$@
