#!/usr/bin/env bash
# Compiles Pillow-SIMD for processors with AVX2 into a folder: a Python that has it first in its path uses it in place
# of Pillow's wheel. Half a minute on two processors.
#
#   bash deployments/build_pillow_simd.sh --packages     # names the Debian packages that this needs
#   bash deployments/build_pillow_simd.sh FOLDER [PYTHON]
#
# AVIF needs libavif 1.0 (Debian 13); without it, AVIF files are rejected as `unsupported_format`.
set -euo pipefail
cd "$(dirname "$0")/.."

packages="gcc libc6-dev libjpeg62-turbo-dev zlib1g-dev libwebp-dev liblcms2-dev libtiff-dev libavif-dev"
if [ "${1:-}" = --packages ]; then
    echo "$packages"
    exit
fi
folder=${1:?the folder to build into}
python=${2:-python}

if [ "$(uname -m)" != x86_64 ]; then
    echo "Pillow-SIMD is for x86-64 alone: elsewhere Pillow's wheel is the one to use" >&2
    exit 1
fi
CC="${CC:-cc} -mavx2" "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --require-hashes --requirement requirements/pillow-simd.txt --target "$folder" --upgrade
PYTHONPATH=$folder "$python" - <<'CODE'
from PIL import Image, __version__, features

# What is missing here would be missing in production, and only some files would show it.
missing = [name for name in ("jpg", "zlib", "webp", "littlecms2", "libtiff") if not features.check(name)]
if missing or "post" not in __version__:
    raise SystemExit(f"Pillow {__version__} at {Image.__file__} lacks {missing}")
print(f"Pillow-SIMD {__version__}" + ("" if features.check("avif") else ", without AVIF"))
CODE
