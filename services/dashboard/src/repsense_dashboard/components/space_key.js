// Space presses the page's main button, unless it is meant for what the keyboard has brought into focus.

const TYPED_INTO = "input, textarea, select, [contenteditable=true], [role=combobox], [role=slider]";
const PRESSED_BY_SPACE = `${TYPED_INTO}, button, a, summary, [role=radio], [role=tab], [role=option], [role=dialog] *`;

export default function ({ data, parentElement }) {
  parentElement.target = data.target;
  if (!parentElement.listening) {
    parentElement.listening = new AbortController();
    const options = { capture: true, signal: parentElement.listening.signal };
    // What a finger or mouse has touched keeps the focus, but nobody who touched it thinks of it any more.
    let touched = true;
    addEventListener("pointerdown", () => (touched = true), options);
    addEventListener(
      "keydown",
      (event) => {
        if (event.key !== " ") {
          touched &&= !(event.key === "Tab" || event.key.startsWith("Arrow"));
          return;
        }
        const busy = event.target.closest?.(touched ? TYPED_INTO : PRESSED_BY_SPACE);
        if (busy || event.ctrlKey || event.metaKey || event.altKey) {
          return;
        }
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat) {
          const mains = [...document.querySelectorAll(`[class*="st-key-${parentElement.target}"]`)];
          // Streamlit marks what it has not drawn anew yet: of two, that is the one about to go.
          const main = mains.find((each) => each.dataset.stale !== "true") ?? mains.at(-1);
          main?.querySelector("button:not(:disabled)")?.click();
        }
      },
      options,
    );
    // A button is pressed when the key comes up, too.
    addEventListener("keyup", (event) => swallow(event, touched), options);
  }
  return () => {
    parentElement.listening.abort();
    parentElement.listening = null;
  };
}

function swallow(event, touched) {
  if (event.key === " " && touched && !event.target.closest?.(TYPED_INTO)) {
    event.preventDefault();
    event.stopPropagation();
  }
}
