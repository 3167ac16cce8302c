#!/bin/bash
# On a lent machine, in the folder that the parts were laid over (README.md):
#   machine.sh start           once, behind the first part: packages, first weights, and all that waits for more
#   machine.sh arrived [all]   behind each part; `all` behind the last one
#   echo TIME > deadline       seconds since 1970 at which training ends
# LABEL labels folders of songs: $LABEL FOLDER... --out DATA, as int16 (4, 2, n) at 22,050 Hz. LANES names the runs of
# each process, STARTS models whose weights they begin with. For a rehearsal on a CPU: DEVICE=cpu.
cd "$(dirname "$0")" || exit
export DEVICE=${DEVICE:-cuda} PYTHONUNBUFFERED=1 PYTHONPATH=$PWD/site:$PWD/src
LABEL=${LABEL:-python3 label.py --device $DEVICE --workers 7}
LANES=${LANES:-stems;large,vocals-live;open-live}
STARTS=${STARTS:-stems vocals-large}

wait_for() { for file in "$@"; do until [ -e "$file" ]; do sleep 0.2; done; done; }

label() { # the packs of a kind as they come
  until [ -e "$1_done" ]; do
    all=; [ -e all ] && all=1
    new=; for p in packs/"$1"*/; do [ -e "$p"ready ] && [ ! -e "$p"done ] && new="$new $p"; done
    if [ "$new" ]; then
      case $1 in
        stems) python3 pack.py stems data $new ;;
        songs) $LABEL $new --out data/songs/quartet; python3 pack.py voices data/songs ;;
        music) $LABEL $new --out data/raw; python3 pack.py music data/raw data ;;
      esac
      for p in $new; do touch "$p"done; done
    elif [ $all ]; then
      touch "$1_done"
    fi
    sleep 0.3
  done
  date +%T
}

lane() { # a process of runs, by their names
  wait_for starts_done deadline stems_done songs_done music_done
  left=$(( $(cat deadline) - $(date +%s) ))
  python3 device.py lanes.toml ${1//,/ } --out out --seconds $left --device $DEVICE --cache "cache_$1"
  touch "finished_$1"
}

first_weights() {
  for model in $STARTS; do
    CUDA_VISIBLE_DEVICES= python3 start.py $model --recipe $model --data none --start start/$model.safetensors
  done
  touch starts_done
}

case $1 in
  start)
    python3 -m pip install -q --no-index --no-deps --target site wheels/*.whl
    mkdir -p data/songs data/raw start out
    [ $DEVICE = cuda ] && nvidia-cuda-mps-control -d # several processes compute at the same time
    for kind in stems songs music; do setsid nohup bash "$0" label $kind > label_$kind.log 2>&1 & done
    IFS=';'; for names in $LANES; do setsid nohup bash "$0" lane "$names" > "lane_$names.log" 2>&1 & done; unset IFS
    first_weights > starts.log 2>&1 ;;
  arrived)
    for first in *.@1-of-2; do
      name=${first%.@1-of-2}
      [ -e "$name.@2-of-2" ] && cat "$name".@?-of-2 > "$name.new" && rm "$name".@?-of-2 && mv "$name.new" "$name"
    done
    for p in packs/*/; do [ -e "$p" ] && touch "$p"ready; done
    [ "$2" = all ] && touch all
    tail -qn 1 *.log; date +%T ;;
  label) label "$2" ;;
  lane) lane "$2" ;;
esac
