# --- a folder of photographs, against the codecs' floor, OpenCV and libvips (bench/folder.py)
BENCH := $(BUILD)/bench
BENCH_PYTHON := $(BENCH)/venv/bin/python

$(BENCH_PYTHON):
	python3 -m venv $(BENCH)/venv
	$(BENCH)/venv/bin/pip install --quiet opencv-python-headless numpy
	@touch $@
$(BENCH)/floor: bench/floor.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c17 -O2 $(WARNINGS) -o $@ $< -ljpeg
$(BENCH)/vips_folder: bench/peers/vips_folder.c
	@mkdir -p $(@D)
	@pkg-config --exists vips || { echo "bench-folder: libvips is missing: apt-get install libvips-dev"; exit 1; }
	$(CC) $(CPPFLAGS) -std=c17 -O2 $(WARNINGS) -o $@ $< $$(pkg-config --cflags --libs vips)

.PHONY: bench-folder
bench-folder: all $(BENCH)/floor $(BENCH)/vips_folder $(BENCH_PYTHON) ## measure a folder of photographs next to the floor, OpenCV and libvips
	bench/fetch-photos.sh $(BENCH)
	$(BENCH_PYTHON) bench/folder.py --build $(BUILD) --json $(BENCH)/folder.json

# --- kernels alone, on one core (bench/operation.c)
$(BENCH)/operation: bench/operation.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c17 -O2 $(WARNINGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

.PHONY: bench-operation
bench-operation: $(BENCH)/operation ## measure operations alone: megapixels a second of one core
	$(BENCH)/operation --cache $(BENCH)/kernels gaussian:1.4 gaussian:10 sepia invert,gamma grayscale sobel
	$(BENCH)/operation --cache $(BENCH)/kernels 4096x3072x1 gaussian:1.4 sobel invert gaussian:1.4,sobel

# --- the queue alone: tiles that are no work, next to bare LMOVE (bench/queue_noop.c)
$(BENCH)/queue_noop: bench/queue_noop.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c17 -O2 $(WARNINGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

.PHONY: bench-queue
bench-queue: $(BENCH)/queue_noop ## measure the queue alone: submit, claim and commit, next to bare LMOVE
	$(BENCH)/queue_noop
	$(BENCH)/queue_noop --appendonly
