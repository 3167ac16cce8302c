// The downloads, and the list of phrases.

import * as api from "./api.js";
import { $, clock, copy, make, write } from "./text.js";

const LABELS = { audacity: "Audacity", srt: "SRT", lrc: "LRC" };

export class Downloads {
  #format = $("format");
  #shown = "";
  #mix; // note beside the mix
  #rows = []; // rows of the phrases
  #segments = [];

  constructor({ mix, stretched, jump, loop }) {
    this.act = { mix, stretched, jump, loop };
  }

  show(song) {
    this.#build(song);
    write(this.#mix, this.act.stretched() ? "faded, at the song's own tempo and key" : "as faded");
  }

  #build(song) {
    const state = [song.id, song.state, song.segments.length, this.#format.value].join();
    if (state === this.#shown) return;
    this.#shown = state;
    const before = this.#format.value;
    const names = [...this.#format.options].map(({ value }) => value);
    if (names.join() !== song.formats.join()) { // else an open menu would close
      this.#format.replaceChildren(...song.formats.map((name) => make("option", { value: name, textContent: name.toUpperCase(), selected: name === before })));
    }
    this.#format.onchange = () => this.show(song);
    const kind = this.#format.value;
    const link = (text, note, href) => make("a", { className: "get", href, download: "" }, make("span", { textContent: text }), make("small", { textContent: note }));
    const rows = song.downloads.map(({ text, note, what, format = kind, gains }) => {
      return link(text, note.replace("{}", kind.toUpperCase()), api.file(song, what, format, gains));
    });
    const mix = rows[song.downloads.findIndex(({ what }) => what === "mix")];
    mix.onclick = () => (mix.href = api.file(song, "mix", kind, this.act.mix()));
    this.#mix = mix.lastChild;
    const labels = Object.entries(LABELS).map(([format, name]) => link(name, "", api.labels(song, format)));
    $("downloads").replaceChildren(...rows, make("div", { className: "labels" }, ...labels));
    $("downloads").inert = song.state !== "ready";
    this.#list(song);
  }

  #list({ segments, state }) {
    const stay = this.#segments.every(([start, end], i) => start === segments[i]?.[0] && end === segments[i][1]);
    const [rows, told] = stay ? [this.#rows, this.#segments.length] : [[], 0]; // unchanged rows keep the focus
    const fresh = segments.slice(told).map(([start, end]) => {
      const row = copy("phrase-row");
      const [jump, loop] = row.children;
      jump.firstChild.textContent = `${clock(start, 1)} – ${clock(end, 1)}`;
      jump.lastChild.textContent = `${(end - start).toFixed(1)} s`;
      jump.onclick = () => this.act.jump(start);
      loop.onclick = () => this.act.loop([start, end]);
      loop.setAttribute("aria-label", `Loop the phrase at ${clock(start, 1)}`);
      return row;
    });
    [this.#segments, this.#rows] = [segments, [...rows, ...fresh]];
    const none = make("li", { className: "none", textContent: `no singing was found${state === "ready" ? "" : " so far"}` });
    if (told) $("phrases").append(...fresh);
    else $("phrases").replaceChildren(...(segments.length ? fresh : [none]));
  }

  mark(now) {
    this.#segments.forEach(([start, end], i) => this.#rows[i].classList.toggle("on", now >= start && now < end));
  }
}
