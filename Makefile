# make demo    a small site crawled over HTTP, made into shards, and a look at them; a model that learns to see
# make test    the tests
# make check   lint, types, import directions
# make docs    the docs as a site, under site/
# make bench   what the README's figures come from
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
PIP := PIP_CONSTRAINT=constraints.txt .venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check
# pip would compile with one core, and tests too. What cannot be compiled is not meant for this Python.
COMPILE = .venv/bin/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
DEMO := demo-out

.PHONY: help install img2dataset img2dataset-if-it-can-be-had demo demo-train test check format docs bench bench-extract bench-fetch bench-corpus bench-scale bench-load bench-clips bench-network bench-gpu bench-view browser clean
help:
	@sed -n 's/^# make/make/p' Makefile

# A bare Debian has Python without the venv module; everything else comes from the package index.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "weft needs Python 3.11 or newer; say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null || { rm -rf .venv; $(SUDO) apt-get update -qq && \
	  $(SUDO) apt-get install -y -qq python3-venv && $(PYTHON) -m venv .venv; }

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@$(COMPILE)
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable '.[dev,train]'
	@$(COMPILE)
	@touch $@

# torch is the largest part by far: where it comes with CUDA, some gigabytes.
.venv/installed-train: .venv/installed
	$(PIP) --editable '.[train]'
	@$(COMPILE)
	@touch $@

# Of these packages only the photographs are used: without their dependencies they are small.
.venv/installed-demo: .venv/installed
	$(PIP) warcio
	$(PIP) --no-deps scikit-image scikit-learn matplotlib
	@touch $@

install: .venv/installed

demo: .venv/installed-train .venv/installed-demo  # in this order pip misses nothing that the photographs do not need
	@rm -rf $(DEMO) && mkdir $(DEMO)
	.venv/bin/python examples/serve.py .venv/bin/weft crawl http://fieldnotes.example/sitemap.xml -o $(DEMO)/crawl \
	  --contact demo@fieldnotes.example --workers 1 --set pace.delay_s=0.02 \
	  --set 'fetch.connect_to={fieldnotes.example: "ADDRESS", img.fieldnotes.example: "ADDRESS"}'
	.venv/bin/weft build --kinds interleaved,clips --input '$(DEMO)/crawl/warc/*.warc.gz' --output $(DEMO)/dataset
	.venv/bin/weft inspect $(DEMO)/dataset --check
	.venv/bin/weft show $(DEMO)/dataset http://fieldnotes.example/animals/portrait-of-a-cat.html --images $(DEMO)/images
	.venv/bin/weft show $(DEMO)/dataset http://fieldnotes.example/photo/moving-over-stills.html --images $(DEMO)/clip --draw never
	.venv/bin/weft build align --input '$(DEMO)/crawl/warc/*.warc.gz' --output $(DEMO)/pairs
	.venv/bin/weft show $(DEMO)/pairs http://fieldnotes.example/animals/portrait-of-a-cat.html --draw never
	.venv/bin/weft report $(DEMO)/dataset --input '$(DEMO)/crawl/warc/*.warc.gz'
	.venv/bin/weft audit $(DEMO)/dataset --crawl $(DEMO)/crawl
	.venv/bin/weft audit $(DEMO)/dataset http://fieldnotes.example/photo/notebook-at-an-angle.html
	@$(MAKE) --no-print-directory demo-train
	@echo
	@echo "What to look at next:"
	@echo "  .venv/bin/weft view $(DEMO)/dataset --input '$(DEMO)/crawl/warc/*.warc.gz'"
	@echo "                                                all of it in the browser; docs/looking.md"
	@echo "  $(DEMO)/dataset/report.html                       what was kept, what was dropped and why, in one file"
	@echo "  $(DEMO)/dataset/audit.html                        what was said about use, and what was done; docs/consent.md"
	@echo "  .venv/bin/weft audit $(DEMO)/dataset KEY          the same of one sample"
	@echo "  $(DEMO)/dataset/README.md, croissant.json         what the dataset says of itself"
	@echo "  $(DEMO)/learnt.png                                pictures that the model had not seen, and what it says to them"
	@echo "  $(DEMO)/images/                                   the pictures of the page above, as they stand in the shard"
	@echo "  $(DEMO)/clip/                                     a clip of its video page, and the contact sheet"
	@echo "  .venv/bin/weft show $(DEMO)/dataset               another page; name a key or an address to choose"
	@echo "  tar -tvf $(DEMO)/dataset/interleaved/shards/000000-000.tar"
	@echo "  examples/README.md                            what became of each page of the site, and why"
	@echo "  docs/format.md                                everything that lies in $(DEMO)/dataset"
	@echo "  $(DEMO)/crawl/warc/                               the archive of the crawl, for any tool that reads WARC"
	@echo "  .venv/bin/weft inspect $(DEMO)/pairs              images with their captions, as ALIGN takes them; docs/pairs.md"
	@echo "  .venv/bin/weft build obelics --input '$(DEMO)/crawl/warc/*.warc.gz' --output $(DEMO)/obelics"

# A shorter form of the run that docs/training.md shows; then pictures that the model has not seen, and what it says.
SHORT := --set steps=440 --set optimiser.final_steps=120 --set held_out.every_steps=220 --set held_out.captions=50 \
  --set shapes.train_pages=1000 --set shapes.train_pairs=2000 --set shapes.train_clips=300 \
  --set shapes.train_clip_pages=200
demo-train: .venv/installed-train
	@mkdir -p $(DEMO)
	cd $(DEMO) && ../.venv/bin/weft train ../configs/tiny.yaml $(SHORT)
	cd $(DEMO) && ../.venv/bin/weft generate tiny-out --each --picture learnt.png $(foreach group,00 01 02 03 04 05 06 07, \
	  --image tiny-out/shapes/held_out/tasks/$(group)-query-00.png)

# The tests of the viewer open it in Chromium. Where there is none and none can be had, they say that they were skipped.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { command -v apt-get >/dev/null && $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq chromium; } || \
	  echo "no Chromium, and none could be installed: the tests of the viewer in a browser are skipped"

# WORKERS processes share the tests; those that start a Ray all fall to one of them (tests/conftest.py).
# Much of a test is waiting, for servers, kills and deadlines: three processes keep two CPUs busy.
WORKERS ?= 3
# What is compiled is kept, whatever the environment says: hundreds of processes import it.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/installed-dev .venv/installed-demo browser img2dataset-if-it-can-be-had
	.venv/bin/python -m pytest -n $(WORKERS)

check: .venv/installed-dev
	.venv/bin/ruff format --check --quiet .
	.venv/bin/ruff check --quiet .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Warnings are errors: a page, a heading or a name that a link leads to and that is not there.
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

format: .venv/installed-dev
	.venv/bin/ruff check --fix --quiet .
	.venv/bin/ruff format --quiet .

# ARCHIVE holds pages and their images; PAGES, if given, is a folder of NAME/source.html files for the first figure.
ARCHIVE ?= $(DEMO)/site.warc.gz
bench: .venv/installed-demo .venv/installed-dev
	@mkdir -p $(DEMO)
	@[ -f $(ARCHIVE) ] || .venv/bin/python examples/make_archive.py $(ARCHIVE)
	.venv/bin/python -m benchmarks.build $(ARCHIVE) $(PAGES)

# PAGES is a folder of NAME/source.html and NAME/expected.html, what a reader should see; default those of the tests.
# Or it is a truth.jsonl.gz: pages by kind with their main text, of which HALF (tuned, held-out, all) is measured.
bench-extract: .venv/installed-dev
	@$(PIP) --upgrade pip  # the one that comes with Python 3.11 mistakes lxml[html_clean] for another package
	$(PIP) --editable '.[bench]'
	.venv/bin/python -m $(if $(filter %.jsonl.gz,$(PAGES)),benchmarks.extraction_by_kind $(PAGES) --half $(or $(HALF),tuned),benchmarks.extraction $(or $(PAGES),tests/pipeline/pages))

# img2dataset wants webdataset < 0.3, pandas < 3 and OpenCV < 5, so it lives apart. Nothing half installed stays behind:
# who finds the folder takes it to be whole.
.venv-img2dataset/installed: constraints-img2dataset.txt | .venv/bin/python
	@rm -rf .venv-img2dataset && .venv/bin/python -m venv .venv-img2dataset && \
	  .venv-img2dataset/bin/python -m pip install --quiet --disable-pip-version-check --retries 2 --timeout 60 \
	    --constraint constraints-img2dataset.txt img2dataset && .venv-img2dataset/bin/python -c 'import img2dataset' || \
	  { rm -rf .venv-img2dataset; exit 1; }
	@touch $@

# For weft fetch-pairs --downloader img2dataset.
img2dataset: .venv-img2dataset/installed

img2dataset-if-it-can-be-had: .venv/bin/python
	@$(MAKE) --no-print-directory .venv-img2dataset/installed >/dev/null 2>&1 || \
	  echo "img2dataset could not be installed (make img2dataset says why): the tests of it are skipped"

bench-fetch: .venv/installed-dev .venv-img2dataset/installed
	.venv/bin/python -m benchmarks.fetching .venv-img2dataset/bin/python
	.venv/bin/python -m benchmarks.fetch_costs

# Cuts and clips of made videos, and of VIDEOS if they are named.
bench-clips: .venv/installed-dev
	$(PIP) --editable '.[bench-clips]'
	.venv/bin/python -m benchmarks.clips --memory 500
	$(if $(VIDEOS),.venv/bin/python -m benchmarks.clips $(VIDEOS))

# What deduplication finds and costs at three sizes (about eight minutes), Ray beside a process pool, a soak of faults.
bench-corpus: .venv/installed-dev
	.venv/bin/python -m benchmarks.corpus
	.venv/bin/python -m benchmarks.engine
	.venv/bin/python -m benchmarks.faults

# How files and requests grow with the archives, and what a whole snapshot asks of the driver and of each task.
bench-scale: .venv/installed-dev
	.venv/bin/python -m benchmarks.scale
	.venv/bin/python -m benchmarks.scale --archives 40 --s3
	.venv/bin/python -m benchmarks.scale_driver
	.venv/bin/python -m benchmarks.scale_tasks

# How long people wait for inspect and view on 100,000 made samples; SAMPLES="100000 1000000" for more.
bench-view: .venv/installed-dev
	.venv/bin/python -m benchmarks.viewer $(SAMPLES)

# Energon brings much that weft does not use, so it lives apart.
.venv-energon/installed:
	$(PYTHON) -m venv .venv-energon
	.venv-energon/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 megatron-energon==7.4.1
	@touch $@

# PHOTOS is a folder of .jpg files to make the samples of; without it they are made up.
.venv-streaming/installed:
	$(PYTHON) -m venv .venv-streaming
	.venv-streaming/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 mosaicml-streaming==0.13.0
	.venv-streaming/bin/python -m pip uninstall --quiet --yes torchvision  # does not load beside a torch for CPUs
	@touch $@
bench-load: .venv/installed-dev .venv-energon/installed .venv-streaming/installed
	.venv/bin/python -m benchmarks.loading "$(PHOTOS)" .venv-energon/bin/python .venv-streaming/bin/python

# Where torch sees no GPU it says so; `.venv/bin/python -m benchmarks.gpu --device cpu` only shows that it runs.
bench-gpu: .venv/installed-train
	.venv/bin/python -m benchmarks.gpu

# The network beside a dense mask and OpenFlamingo's block structure; without a GPU about five minutes on one thread.
bench-network: .venv/installed-dev
	.venv/bin/python -m benchmarks.network $(if $(DEVICE),--device $(DEVICE))

clean:
	rm -rf .venv .venv-img2dataset .venv-energon .venv-streaming site $(DEMO)
