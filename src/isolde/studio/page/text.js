// Formats of numbers, and helpers for elements; text is never markup.

export const $ = (id) => document.getElementById(id);

export function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const whole = Math.floor(Math.max(0, seconds) * unit + 1e-6);
  const [h, m] = [Math.floor(whole / unit / 3600), Math.floor(whole / unit / 60) % 60];
  const s = ((whole / unit) % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

export function decibels(gain) {
  if (gain <= 0) return "off";
  const db = 20 * Math.log10(gain);
  return `${db > 0.05 ? "+" : db < -0.05 ? "−" : ""}${Math.abs(db).toFixed(1)} dB`;
}

/** Make an element with properties and children. */
export function make(tag, values = {}, ...children) {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
}

/** Copy the element of a template. */
export const copy = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);

/** Set the text of an element if it differs, and return whether it did. */
export function write(element, text) {
  const other = element.textContent !== text;
  if (other) element.textContent = text;
  return other;
}
