// The chosen model and strength, and the menu of models.

import { $, copy, write } from "./text.js";

export class Choice {
  #models = [];

  constructor({ models, model, strength }) {
    this.#models = models;
    this.show({ model, strength });
  }

  /** Show a model and a strength as chosen. */
  show({ model, strength }) {
    this.chosen = { model, strength };
    write($("strength"), strength.toFixed(2).replace(/0$/, ""));
    this.list(this.#models);
  }

  /** Return the strength after a step. */
  stepped(by) {
    return { strength: Math.min(3, Math.max(0.5, Math.round((this.chosen.strength + by) * 100) / 100)) };
  }

  /** Show the menu of models. */
  list(models) {
    this.#models = models;
    const { model: chosen } = this.chosen;
    models.forEach((model, i) => {
      const row = $("model-list").children[i] ?? $("model-list").appendChild(copy("model-row"));
      const [radio, name, line, summary] = row.children;
      Object.assign(radio, { value: model.name, checked: model.name === chosen });
      line.title = `Vocals uSDR, ${model.data}`;
      write(name, model.name);
      write(line, model.line);
      write(summary, model.summary);
    });
    write($("model-name"), chosen);
    write($("model-line"), models.find(({ name }) => name === chosen)?.line ?? "");
  }
}
