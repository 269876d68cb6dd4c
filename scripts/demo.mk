# demo.mk: `make demo`, the project on a folder of photographs; part of the Makefile.
#   make demo                                            the photographs that come with it
#   make demo IN=~/Pictures OUT=out OPS=gaussian:sigma=2,sobel
IN ?= tests/data/photos
OUT ?= out
OPS ?= gaussian:sigma=2,sobel

.PHONY: demo
demo: export IN := $(IN)
demo: export OUT := $(OUT)
demo: export OPS := $(OPS)
demo: ## process a folder and show before and after (IN=folder OUT=folder OPS=operations)
	scripts/install-deps.sh build
	+@$(MAKE) --no-print-directory all
	scripts/demo.sh $(BUILD)/bin/tilecrew

.PHONY: demo-failover
demo-failover: ## four workers and one that stands by: watch all four being killed during a job, and nothing being lost
	scripts/install-deps.sh build
	+@$(MAKE) --no-print-directory all
	scripts/demo-failover.py $(BUILD)/bin $(IN)
