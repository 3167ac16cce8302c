"""The fixed parts of the report's page: style and behaviour, no data and no network."""

STYLE = """
:root { color-scheme: light dark; --line: #8885; --accent: #b4552d; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { margin-top: 2em; font-size: 1.2em; }
.scroll { overflow-x: auto; }
p { max-width: 75em; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
table { font-size: 13.5px; }
th, td { border-bottom: 1px solid var(--line); padding: .2em .7em; text-align: right; }
td { white-space: nowrap; }
th { vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tbody tr:hover { background: #8881; }
.tall { max-height: 36em; overflow: auto; border: 1px solid var(--line); }
.tall thead th { position: sticky; top: 0; background: Canvas; }
.tall thead th:first-child { z-index: 1; }
svg.box { max-width: 1000px; width: 100%; height: auto; font-size: 13px; }
svg.box text { fill: currentColor; } svg.box .tick { text-anchor: middle; opacity: .7; }
svg.box .name { text-anchor: end; } svg.box .grid { stroke: var(--line); }
svg.box circle { fill: var(--accent); opacity: .35; } svg.box line { stroke: currentColor; }
svg.box rect { fill: var(--accent); fill-opacity: .25; stroke: currentColor; }
svg.box .mid { stroke-width: 3; }
figure { display: inline-block; margin: .4em .8em .4em 0; }
figure img { width: 330px; height: 180px; image-rendering: auto; }
figcaption { font-size: .85em; }
.player button { font: inherit; padding: .3em .8em; margin: 0 .3em .3em 0; cursor: pointer; }
.player button[aria-pressed=true] { background: var(--accent); color: white; }
.player input { width: 20em; vertical-align: middle; }
dl.made { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; }
dl.made dd { margin: 0; } code { overflow-wrap: anywhere; }
"""

SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const pick = document.getElementById("metric");
const head = document.querySelector("#songs thead");
const body = document.querySelector("#songs tbody");
let sorted = 1, down = true;
function value(track, candidate) {
  const row = data.values[track][candidate];
  return row && row[pick.value] != null ? row[pick.value] : NaN;
}
function cell(row, text, tag) {
  const made = document.createElement(tag || "td");
  made.textContent = text;
  row.append(made);
  return made;
}
function draw() {
  head.replaceChildren(); body.replaceChildren();
  const top = document.createElement("tr");
  ["song", ...data.candidates].forEach((name, column) => {
    const made = cell(top, "", "th");
    const button = document.createElement("button");
    button.textContent = name;
    if (column === sorted) made.setAttribute("aria-sort", down ? "descending" : "ascending");
    button.onclick = () => {
      down = column === sorted ? !down : column > 0;
      sorted = column;
      draw();
    };
    made.append(button);
  });
  head.append(top);
  const tracks = Object.keys(data.values);
  const key = track => value(track, data.candidates[sorted - 1]);
  tracks.sort((a, b) => {
    if (sorted === 0) return (a < b ? -1 : 1) * (down ? -1 : 1);
    const x = key(a), y = key(b);
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
    return down ? y - x : x - y;
  });
  for (const track of tracks) {
    const row = document.createElement("tr");
    cell(row, track);
    for (const name of data.candidates) {
      const number = value(track, name);
      cell(row, isNaN(number) ? "-" : number.toFixed(2));
    }
    body.append(row);
  }
}
pick.onchange = draw;
draw();

for (const player of document.querySelectorAll(".player")) {
  const sounds = [...player.querySelectorAll("audio")];
  const buttons = [...player.querySelectorAll("button[data-k]")];
  const [play, slider] = [player.querySelector(".play"), player.querySelector("input")];
  let current = 0;
  const stop = () => { sounds[current].pause(); play.textContent = "play"; };
  const show = () => buttons.forEach((b, k) => b.setAttribute("aria-pressed", k === current));
  buttons.forEach((button, k) => button.onclick = () => {
    const playing = !sounds[current].paused, time = sounds[current].currentTime;
    sounds[current].pause();
    current = k;
    sounds[k].currentTime = time;
    if (playing) sounds[k].play();
    show();
  });
  play.onclick = () => {
    if (!sounds[current].paused) return stop();
    sounds[current].play();
    play.textContent = "pause";
  };
  for (const sound of sounds) {
    sound.onended = () => { play.textContent = "play"; };
    sound.ontimeupdate = () => {
      if (sound === sounds[current]) slider.value = 1000 * sound.currentTime / sound.duration || 0;
    };
  }
  slider.oninput = () => {
    const sound = sounds[current];
    if (sound.duration) sound.currentTime = slider.value / 1000 * sound.duration;
  };
  show();
}
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
