#!/usr/bin/env bash
# Installs a wheel into an empty environment, with what production has, and runs what needs no server:
#
#   bash deployments/try_wheel.sh PYTHON WHEEL PHOTOGRAPH
set -euo pipefail
python=$1 wheel=$(realpath "$2") photograph=$(realpath "$3")
requirements=$(realpath "$(dirname "$0")/../requirements/production.txt")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
pip="$folder/venv/bin/python -m pip --quiet --disable-pip-version-check"
$pip install --no-deps --require-hashes --requirement "$requirements"
$pip install --no-deps "$wheel"
$pip check

# Nothing of the checkout is in reach.
cd "$folder"
venv/bin/gallery --help >/dev/null
venv/bin/gallery process "$photograph" --out renditions --json >made.json
venv/bin/python - made.json <<'CHECK'
import json, sys
from pathlib import Path
made = json.loads(Path(sys.argv[1]).read_text())
assert made["outcome"] == "ok", made
assert all(Path(item["path"]).stat().st_size == item["bytes"] > 0 for item in made["renditions"]), made
print(f"{made['width']} x {made['height']}: {', '.join(item['style'] for item in made['renditions'])}")
CHECK
echo "the wheel works in an empty environment: $(basename "$wheel")"
