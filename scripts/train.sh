#!/usr/bin/env bash
# Train the nets in an environment of their own (torch never enters .venv), export them and write their cards.
# Arguments are the trainer's, for every net: --minutes N or --steps N, --seed N, --start FILE.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly venv=.venv-train
if [[ ! -x $venv/bin/pip ]]; then
    "${PYTHON:-python3}" -m venv "$venv"
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[worker,train]'
for model in water water_radar fields; do
    "$venv/bin/python" -m "models.$model.train" "$@"
    "$venv/bin/python" -m models.common.precision "$model"
    "$venv/bin/python" -m "models.$model.evaluate"
done
