// Clicks, keys, sliders and dropped files, passed on to functions.

import { $ } from "./text.js";

/** Call a function for each clicked button (by id), pressed key and added file. */
export function listen({ clicks, keys, add }) {
  for (const [id, act] of Object.entries(clicks)) $(id).onclick = act;
  document.addEventListener("keydown", (event) => press(event, keys));
  let before = 0; // value of a slider before it is pressed
  addEventListener("pointerdown", ({ target }) => (before = target.value));
  addEventListener("pointercancel", ({ target }) => { // the finger scrolls the page
    if (target.matches("input[type=range]")) Object.assign(target, { value: before }).oninput();
  });
  $("file").onchange = () => (add([...$("file").files]), ($("file").value = ""));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      $("dropping").hidden = kind === "drop" || (kind === "dragleave" && !event.relatedTarget); // it left the window
      if (kind === "drop") add([...event.dataTransfer.files]);
    });
  }
}

let pointed = false; // whether a pointer gave the focus: keys are then not meant for a focused button
addEventListener("pointerdown", () => (pointed = true));

function press(event, keys) {
  if (event.key === "Tab") pointed = false;
  const at = pointed && event.target.matches("button, a, input:not([type=range])") ? document.body : event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("dialog, select, [popover]")) return;
  const sliding = at.matches("input[type=range]:not(#seek), input[type=radio]") && event.key.startsWith("Arrow");
  if (sliding || (event.key === " " && at.matches("button, a, input[type=file], input[type=radio]"))) return;
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act || (event.key !== "?" && !$("stage").checkVisibility())) return;
  event.preventDefault();
  if (event.repeat && !/^(Arrow|[-+=<>])/.test(event.key)) return; // a held key does not toggle
  if (at !== event.target) event.target.blur();
  act(event);
}
