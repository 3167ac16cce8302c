// How hands reach the page: clicks, keys, sliders and dropped files; what comes of it others say.

import { $ } from "./text.js";

/** Do what there is for the id of a button that is clicked and for a key; `add` takes files. */
export function listen({ clicks, keys, add }) {
  for (const [id, act] of Object.entries(clicks)) $(id).onclick = act;
  document.addEventListener("keydown", (event) => press(event, keys));
  let before = 0; // what a slider was at
  addEventListener("pointerdown", ({ target }) => (before = target.value));
  addEventListener("pointercancel", ({ target }) => { // the page scrolls: it was no press
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

let pointed = false; // whether a pointer gave the focus: keys are not meant for a button that has it
addEventListener("pointerdown", () => (pointed = true));

function press(event, keys) {
  if (event.key === "Tab") pointed = false;
  const at = pointed && event.target.matches("button, a, input:not([type=range])") ? document.body : event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("dialog, select, [popover]")) return;
  const sliding = at.matches("input[type=range]:not(#seek), input[type=radio]") && event.key.startsWith("Arrow");
  if (sliding || (event.key === " " && at.matches("button, a, summary, input[type=file], input[type=radio]"))) return;
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act || (event.key !== "?" && !$("stage").checkVisibility())) return;
  event.preventDefault();
  if (event.repeat && !/^(Arrow|[-+=<>])/.test(event.key)) return; // a key that is held turns nothing on and off
  if (at !== event.target) event.target.blur();
  act(event);
}
