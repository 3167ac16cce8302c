// The list of songs: what each is doing, which one is on, and why one was refused.

import { clock, make } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const AROUND = 2 * Math.PI * 12;

function ring() {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 28 28");
  drawing.setAttribute("class", "ring");
  drawing.setAttribute("aria-hidden", "true");
  for (const kind of ["all", "part"]) {
    const circle = document.createElementNS(SVG, "circle");
    for (const [name, value] of Object.entries({ cx: 14, cy: 14, r: 12, class: kind })) circle.setAttribute(name, value);
    drawing.append(circle);
  }
  return drawing;
}

export function title(song) {
  return song.title || song.name.replace(/\.[a-z0-9]{2,4}$/i, "");
}

function line(song, on, playing) {
  const length = song.seconds ? clock(song.seconds) : "";
  if (song.state === "failed") return song.error;
  if (song.state === "sending") return `${Math.round(100 * song.share)} % read`;
  if (song.state === "waiting") return [length, "waits"].filter(Boolean).join(" · ");
  const tail = on && playing ? " · playing" : "";
  if (song.state === "ready") return `${length} · ready${tail}`;
  const left = song.seconds_left === null ? "" : `, ${clock(song.seconds_left + 0.5)} left`;
  return `${Math.round(100 * share(song))} % separated${left}`;
}

export function share(song) {
  if (song.state === "ready") return 1;
  if (song.state === "sending") return 0;
  return song.seconds ? Math.min(1, song.ready_seconds / song.seconds) : 0;
}

export class Songs {
  #rows = new Map();

  constructor({ pick, remove }) {
    this.list = document.getElementById("list");
    this.act = { pick, remove };
  }

  /** Show these songs, in this order. */
  show(songs, current, playing) {
    const ids = new Set(songs.map((song) => song.id));
    for (const [id, row] of this.#rows) {
      if (!ids.has(id)) row.item.remove(), this.#rows.delete(id);
    }
    for (const song of songs) {
      const row = this.#rows.get(song.id) ?? this.#add(song.id);
      const on = song.id === current;
      row.item.className = `song${on ? " on" : ""}${song.state === "failed" ? " bad" : ""}`;
      row.pick.toggleAttribute("aria-current", on);
      const [name, told] = [title(song), line(song, on, playing)];
      if (row.name.textContent !== name) row.name.textContent = row.name.title = name;
      if (row.told.textContent !== told) row.told.textContent = told;
      row.away.setAttribute("aria-label", `Remove ${name}`);
      row.part.style.strokeDasharray = `${share(song) * AROUND} 100`;
    }
    songs.forEach((song, i) => {
      const { item } = this.#rows.get(song.id);
      if (this.list.children[i] !== item) this.list.insertBefore(item, this.list.children[i] ?? null);
    });
  }

  #add(id) {
    const [name, told, circle] = [make("b"), make("small"), ring()];
    const pick = make("button", { className: "pick", onclick: () => this.act.pick(id) }, circle, make("span", {}, name, told));
    const away = make("button", { className: "away", title: "Remove", textContent: "×", onclick: () => this.act.remove(id) });
    const item = make("li", {}, pick, away);
    const row = { item, pick, away, name, told, part: circle.lastChild };
    this.#rows.set(id, row);
    return row;
  }
}
