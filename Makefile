# `make demo` and `make test` do all their own set-up. Recipes use relative paths only, so that the checkout may lie anywhere.
.POSIX:
.SUFFIXES:
.PHONY: help demo test check bench chaos chaos-long shots lock js keep clean

help:
	@echo 'make demo    run jalki with a sample shop (ARGS="--port 9000" adds options)'
	@echo 'make test    check, then every test (ARGS="tests/collector -k migrate" chooses)'
	@echo 'make check   lint, types, import layers, the snippet and its rebuild'
	@echo 'make bench   every benchmark'
	@echo 'make chaos   kill, freeze, fill, tear, overload, and recount (ARGS="--only kill", ARGS=--mutants)'
	@echo 'make chaos-long   the same for an hour, as long as the targets say'
	@echo 'make shots   take the screenshots of the README anew'
	@echo 'make js      rebuild the snippet that ships in collector/dist'
	@echo 'make keep    keep the built snippet in collector/released, as a release does'
	@echo 'make lock    resolve the dependencies anew'
	@echo 'make clean   remove what was installed or made here, but for the demo data'

demo:
	@sh .ci/venv requirements.lock
	@exec sh .ci/demo $(ARGS)

test: check
	@exec sh .ci/test $(ARGS)

check:
	@sh .ci/venv requirements-dev.lock
	@exec sh .ci/check

bench:
	@sh .ci/venv requirements-dev.lock
	@exec sh .ci/bench

chaos:
	@sh .ci/venv requirements-dev.lock
	@PYTHONPATH=tests exec .venv/bin/python tests/chaos $(ARGS)

chaos-long:
	@sh .ci/venv requirements-dev.lock
	@PYTHONPATH=tests exec .venv/bin/python tests/chaos --long $(ARGS)

shots:
	@sh .ci/venv requirements-dev.lock
	@JALKI_TEST_CHROMIUM=$$(.venv/bin/python tests/find_browser.py --install) exec .venv/bin/python .ci/shots.py

js:
	@sh .ci/js
	@cd js && sh ../.ci/with-node npm run --silent build

keep:
	@sh .ci/venv requirements.lock
	@PYTHONPATH=. exec .venv/bin/python .ci/keep.py

lock:
	@sh .ci/lock

clean:
	rm -rf .venv js/node_modules build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
