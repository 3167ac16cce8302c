// The list of songs: what each is doing, which one is on, and why one was refused.

import { $, clock, copy, write } from "./text.js";

function line(song, on, playing) {
  const length = song.seconds ? clock(song.seconds) : "";
  if (song.state === "failed") return song.error;
  if (song.state === "sending") return "is being read";
  if (song.state === "waiting") return [length, "waits"].filter(Boolean).join(" · ");
  if (song.state === "ready") return `${length} · ready${on && playing ? " · playing" : ""}`;
  const left = song.seconds_left === null ? "" : `, ${clock(song.seconds_left + 0.5)} left`;
  return `${Math.round(100 * share(song))} % separated${left}`;
}

const share = (song) => (song.seconds ? Math.min(1, song.ready_seconds / song.seconds) : 0);

export class Songs {
  #list = $("list");
  #rows = new Map();

  constructor({ pick, remove }) {
    this.act = { pick, remove };
  }

  /** Show these songs, in this order. */
  show(songs, current, playing) {
    const ids = new Set(songs.map((song) => song.id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) row.remove(), this.#rows.delete(id);
    songs.forEach((song, i) => {
      const row = this.#rows.get(song.id) ?? this.#add(song.id);
      const on = song.id === current;
      row.className = `song${on ? " on" : ""}${song.state === "failed" ? " bad" : ""}`;
      row.querySelector(".pick").toggleAttribute("aria-current", on);
      if (write(row.querySelector("b"), song.title)) row.querySelector("b").title = song.title;
      write(row.querySelector("small"), line(song, on, playing));
      row.querySelector(".away").setAttribute("aria-label", `Remove ${song.title}`);
      row.querySelector(".part").style.strokeDasharray = `${share(song)} 1`;
      if (this.#list.children[i] !== row) this.#list.insertBefore(row, this.#list.children[i] ?? null);
    });
  }

  #add(id) {
    const row = copy("song-row");
    row.querySelector(".pick").onclick = () => this.act.pick(id);
    row.querySelector(".away").onclick = () => this.act.remove(id);
    this.#rows.set(id, row);
    return row;
  }
}
