// What one takes home, and the list of where it is sung.

import * as api from "./api.js";
import { $, clock, copy, make, named } from "./text.js";

const LABELS = { audacity: "Audacity", srt: "SRT", lrc: "LRC" };

export class Take {
  #format = $("format");
  #downloads = $("downloads");
  #phrases = $("phrases");
  #shown = "";
  #rows = []; // of the phrases
  #segments = [];

  constructor({ mix, jump, loop }) {
    this.act = { mix, jump, loop };
  }

  show(song) {
    const state = [song.id, song.state, song.n_segments, this.#format.value].join();
    if (state === this.#shown) return;
    this.#shown = state;
    const before = this.#format.value;
    this.#format.replaceChildren(...song.formats.map((name) => make("option", { value: name, textContent: name.toUpperCase() })));
    if (song.formats.includes(before)) this.#format.value = before;
    this.#format.onchange = () => this.show(song);
    const ready = song.state === "ready";
    const [kind, how] = [this.#format.value, this.#format.value.toUpperCase()];
    const link = (text, note, href) => make("a", { className: "get", href, download: "" }, make("span", { textContent: text }), make("small", { textContent: note }));
    const get = (text, note, what, container = kind) => link(text, note, api.file(song, what, container));
    const mix = get("This mix", "as faded", "mix");
    mix.onclick = () => (mix.href = api.file(song, "mix", kind, this.act.mix()));
    const stems = song.stems.map((stem) => get(stem === "accompaniment" ? "Karaoke" : named(stem), how, stem));
    const all = song.stems.length === 2 ? "Both stems" : `All ${song.stems.length} stems`;
    const rows = [get(all, ready ? `${how}, zip` : "when it is ready", "stems"), mix, ...stems];
    if (song.stem_file) rows.push(get("Stem file", "for DJs", "stems", "stem.mp4"));
    if (song.n_segments) rows.push(get("Sung phrases", `${song.n_segments} phrase${song.n_segments === 1 ? "" : "s"}`, "phrases"));
    const labels = Object.entries(LABELS).map(([format, name]) => link(name, "", api.labels(song, format)));
    this.#downloads.replaceChildren(...rows, make("div", { className: "labels" }, ...labels));
    if (ready) return;
    for (const element of this.#downloads.querySelectorAll("a")) {
      element.removeAttribute("href");
      element.setAttribute("aria-disabled", "true");
    }
  }

  list(segments) {
    this.#segments = segments;
    this.#rows = segments.map(([start, end]) => {
      const row = copy("phrase-row");
      const [jump, loop] = row.children;
      jump.firstChild.textContent = `${clock(start, 1)} – ${clock(end, 1)}`;
      jump.lastChild.textContent = `${(end - start).toFixed(1)} s`;
      jump.onclick = () => this.act.jump(start);
      loop.onclick = () => this.act.loop([start, end]);
      loop.setAttribute("aria-label", `Loop the phrase at ${clock(start, 1)}`);
      return row;
    });
    const none = make("li", { className: "none", textContent: "nobody was heard to sing so far" });
    this.#phrases.replaceChildren(...(segments.length ? this.#rows : [none]));
  }

  mark(now) {
    this.#segments.forEach(([start, end], i) => this.#rows[i].classList.toggle("on", now >= start && now < end));
  }
}
