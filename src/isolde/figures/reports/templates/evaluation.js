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
