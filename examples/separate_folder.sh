#!/bin/sh
# Every song of a folder, two at a time, as flac; started again it goes on where it was stopped.
# sh examples/separate_folder.sh MUSIC STEMS
set -eu
isolde separate "$1" -o "$2" --format flac --jobs 2 --resume
