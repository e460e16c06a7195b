// A picture made of HTML in which things can be picked: by click, or by keyboard with one tab stop and the arrow keys.
// Whoever made it gives each thing `data-pick` with its name; what it is stands in `aria-label`, and is shown below.

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  const html = new TextDecoder().decode(component.data);
  let picture = parentElement.querySelector(".rs-pickable");
  if (!picture) {
    picture = document.createElement("div");
    picture.className = "rs-pickable";
    parentElement.appendChild(picture);
    picture.addEventListener("click", (event) => {
      const thing = event.target.closest("[data-pick]");
      if (thing) picture.tell(thing.dataset.pick);
    });
    picture.addEventListener("keydown", (event) => move(picture, event));
    for (const kind of ["focusin", "pointerover"]) {
      picture.addEventListener(kind, (event) => describe(picture, event.target.closest("[data-pick]")));
    }
    picture.addEventListener("pointerleave", () => describe(picture, picture.querySelector("[data-pick]:focus")));
  }
  picture.tell = (name) => setTriggerValue("pick", name);
  if (picture.html !== html) {
    const focused = picture.querySelector("[data-pick]:focus")?.dataset.pick;
    picture.html = html;
    picture.innerHTML = html;
    const things = [...picture.querySelectorAll("[data-pick]")];
    const entry = things.find((thing) => thing.getAttribute("aria-pressed") === "true") ?? things.at(-1);
    things.forEach((thing) => (thing.tabIndex = thing === entry ? 0 : -1));
    if (focused) things.find((thing) => thing.dataset.pick === focused)?.focus();
  }
}

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

function move(picture, event) {
  const things = [...picture.querySelectorAll("[data-pick]")];
  const here = things.indexOf(document.activeElement);
  const ends = { Home: 0, End: things.length - 1 };
  const there = event.key in ends ? ends[event.key] : here + (STEPS[event.key] ?? NaN);
  if (here < 0 || !(there in things)) return;
  event.preventDefault();
  things.forEach((thing, number) => (thing.tabIndex = number === there ? 0 : -1));
  things[there].focus();
}

function describe(picture, thing) {
  const words = picture.querySelector("[data-words]");
  if (words) words.textContent = thing?.getAttribute("aria-label") ?? words.dataset.words;
}
