# SPDX-License-Identifier: Apache-2.0
# `make` lists the targets. Each one makes what it needs first: `make demo` works in a fresh clone.
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env train-env build demo test test-full lint fix bench gpu-check fuzz faults soak loop bench-training results uses live bundle screenshots clean

PYTHON ?= python3
# How the simulator draws without a screen: osmesa (on the CPU), or egl.
MUJOCO_GL ?= osmesa
export PYTHON MUJOCO_GL GOAL VIDEO QUICK MINUTES

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target what; do \
		printf '  make %-14s %s\n' "$$target" "$$what"; done

env: ## the environment: .venv with ROS wheels, or .venv-ros where a ROS 2 is sourced (PYTHON=...)
	@scripts/env

build: env ## the ROS package into install/ (no-op when nothing changed)
	@scripts/build

demo: build ## live rewards for the shipped recording, then the page (GOAL="close the drawer" VIDEO=my.mp4 ARGS=--no-page)
	@scripts/run liv demo $${GOAL:+--goal "$$GOAL"} $${VIDEO:+--video "$$VIDEO"} $(ARGS)

train-env: env ## adds what training needs: torch, Meta-World, ONNX (scripts/run liv train --help)
	@scripts/env train

test: build ## the tests, without the long ones (ARGS="-k goal")
	@scripts/env train test
	@scripts/run python3 -m pytest -m "not slow and not gpu and not launch and not checkpoint" $(ARGS)

test-full: build ## all tests that this machine can run
	@scripts/env train test
	@scripts/run python3 -m pytest $(ARGS)

lint: ## ruff check and ruff format --check
	@scripts/lint

fix: ## mends what ruff can mend
	@scripts/lint --fix

bench: build ## the speed of this machine beside others, into docs/performance.md (QUICK=1, ARGS="--bundles ~/liv_bench")
	@scripts/env train engines
	@scripts/run python3 -m bench $${QUICK:+--quick} $(ARGS)
	@[[ -n "$${QUICK-}" ]] || scripts/run python3 -m bench.page bench/results/*.json

gpu-check: build ## TensorRT on this machine's NVIDIA GPU: build, gate, parity, soak, benchmark, into gpu_check/ (docs/gpu_check.md)
	@scripts/run python3 -m bench.gpu_check --only-look $(ARGS)
	@scripts/env train engines
	@scripts/run python3 -m bench.gpu_check $(ARGS)

fuzz: build ## messages that nobody should send, into docs/reliability.md (QUICK=1, ARGS="--seed 7")
	@scripts/run python3 -m proofs.fuzz $${QUICK:+--quick} $(ARGS)
	@[[ -n "$${QUICK-}" ]] || scripts/run python3 -m proofs.page proofs/results/*.json

faults: build ## what goes wrong on robots, on live nodes, into docs/reliability.md (QUICK=1, ARGS="--only encoder_killed")
	@scripts/run python3 -m proofs.faults $${QUICK:+--quick} $(ARGS)
	@[[ -n "$${QUICK-}" ]] || scripts/run python3 -m proofs.page proofs/results/*.json

soak: build ## two cameras for half an hour, every message checked, into docs/reliability.md (MINUTES=1)
	@scripts/run python3 -m proofs.soak $${MINUTES:+--minutes "$$MINUTES"} $(ARGS)
	@[[ -n "$${MINUTES-}" ]] || scripts/run python3 -m proofs.page proofs/results/*.json

loop: build ## record, fine-tune, deploy, judge: through real ROS, on tasks kept out of training, into docs/loop.md (QUICK=1)
	@scripts/env train engines
	@scripts/run python3 -m proofs.circle $${QUICK:+--quick} $(ARGS)

bench-training: train-env ## the speed of training: samples beside JPEG files, memory of the reader, a step beside its bare mathematics
	@scripts/run python3 -m bench.training $(ARGS)

results: train-env ## the paper's comparisons, small, into docs/results.md; goes on after a stop (QUICK=1 RESULTS=folder)
	@scripts/run python3 -m training.results $(RESULTS) $(if $(QUICK),--quick) $(ARGS)

uses: train-env ## imitation on LIV's embeddings, planning with its values, into docs/uses.md; goes on after a stop (QUICK=1 USES=folder)
	@scripts/run python3 -m training.uses $(USES) $(if $(QUICK),--quick) \
		$(if $(RESULTS),--results $(RESULTS)) $(ARGS)

live: build train-env ## a cloned policy acts through ROS on a simulated arm, into live_out/ (ARGS="--task door-close")
	@scripts/run python3 -m examples.live_policy.run $(ARGS)

screenshots: build ## pictures of the page over a real graph, into docs/dashboard-*.png (needs Chromium)
	@scripts/env test
	@cd test && ../scripts/run python3 -m browser.screenshots

bundle: train-env ## the shipped bundle from nothing: simulate, train, export; a few hours on two cores, in pieces
	@scripts/run scripts/bundle

clean: ## removes environments, builds and the demo's output
	rm -rf .venv .venv-ros .venv-lint build install log demo_out live_out
