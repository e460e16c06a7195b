// Shows a signal and lets a person select a part of it. Called anew with every run of the page, on the same element: an
// `Editor` lives as long as the element, and what the person has selected is theirs until Python asks for another.

const CLICK_PX = 5; // a finger never stays exactly where it came down
const LEAST_S = 0.1;
const CLOSEST_S = 1;
const AXIS_PX = 24;
const NARROW_PX = 44; // less has no room for words
const REPORT_MS = 300;
const WHEEL_ZOOM = 0.0025;
const BUTTON_ZOOM = 2;

export default function ({ data, parentElement, setStateValue }) {
  const view = JSON.parse(new TextDecoder().decode(data));
  parentElement.editor ??= new Editor(parentElement);
  parentElement.editor.tell = setStateValue;
  parentElement.editor.show(view);
  return () => parentElement.editor.close();
}

class Editor {
  constructor(parent) {
    this.root = make("div", "rs-editor", parent);
    const tools = make("div", "rs-editor-tools", this.root);
    this.readout = make("output", "rs-editor-readout", tools);
    this.choose = button(tools, "Select a part", "", () => this.selectMiddle());
    this.letGo = button(tools, "Clear", "Clear the selection", () => this.select(null));
    this.zoomOut = button(tools, "\u2212", "Zoom out", () => this.zoom(BUTTON_ZOOM));
    this.zoomIn = button(tools, "+", "Zoom in", () => this.zoom(1 / BUTTON_ZOOM));
    this.zoomOut.classList.add("rs-editor-zoom");
    this.zoomIn.classList.add("rs-editor-zoom");
    this.plot = make("div", "rs-editor-plot", this.root);
    this.plot.tabIndex = -1; // for the wheel and Escape, not for Tab: there is nothing to do on it by keyboard
    this.bands = make("div", "rs-editor-bands", this.plot);
    this.canvas = make("canvas", "", this.plot);
    this.canvas.setAttribute("role", "img");
    this.captions = make("div", "rs-editor-captions", this.plot);
    this.shades = [make("div", "rs-editor-shade", this.plot), make("div", "rs-editor-shade", this.plot)];
    this.window = make("div", "rs-editor-window", this.plot);
    this.handles = { start: this.makeHandle("start"), end: this.makeHandle("end") };
    this.strip = make("div", "rs-editor-strip", this.root);
    this.thumb = make("div", "rs-editor-thumb", this.strip);
    this.probe = make("i", "", this.root);
    this.probe.hidden = true;
    this.fingers = new Map();
    this.listen();
  }

  makeHandle(edge) {
    const handle = make("div", `rs-editor-handle rs-editor-handle-${edge}`, this.plot);
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", edge === "start" ? "Start of the selection" : "End of the selection");
    handle.addEventListener("keydown", (event) => this.nudge(edge, event));
    return handle;
  }

  listen() {
    this.plot.addEventListener("pointerdown", (event) => this.press(event));
    this.plot.addEventListener("pointermove", (event) => this.drag(event));
    this.plot.addEventListener("pointerup", (event) => this.release(event));
    this.plot.addEventListener("pointercancel", (event) => this.release(event));
    this.plot.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.plot.addEventListener("keydown", (event) => event.key === "Escape" && this.mayLetGo() && this.select(null));
    this.strip.addEventListener("pointerdown", (event) => this.pressStrip(event));
    this.strip.addEventListener("pointermove", (event) => this.dragStrip(event));
    this.strip.addEventListener("keydown", (event) => this.nudgeStrip(event));
    this.strip.tabIndex = 0;
    this.strip.setAttribute("role", "scrollbar");
    this.strip.setAttribute("aria-orientation", "horizontal");
    this.strip.setAttribute("aria-label", "Which part is shown");
    this.strip.setAttribute("aria-valuemin", 0);
    this.strip.setAttribute("aria-valuemax", 100);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.plot);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => this.draw();
    this.scheme.addEventListener("change", this.recolour);
  }

  close() {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.recolour);
    clearTimeout(this.reporting);
    clearTimeout(this.looking);
  }

  // ---- what Python says -----------------------------------------------------------------------------------------

  show(view) {
    const before = this.view;
    this.view = view;
    this.clock_ms = byClock(view.start_ms, view.duration_s) ? view.start_ms : null;
    if (!before || before.duration_s !== view.duration_s) {
      // A stream that goes on stays in sight.
      const whole = !before || (this.from_s === 0 && this.to_s === before.duration_s);
      [this.from_s, this.to_s] = whole ? [0, view.duration_s] : clampRange(this.from_s, this.to_s, view.duration_s);
    }
    this.takeSelection(view);
    this.canvas.setAttribute("aria-label", view.label);
    this.root.classList.toggle("rs-editor-fixed", !view.selectable);
    this.plot.style.setProperty("--lanes", view.n_lanes);
    this.plot.style.setProperty("--height", `${view.height}rem`);
    this.arrangeBands();
    this.arrangeCaptions();
    this.draw();
  }

  // What Python asks for counts until the person selects something, and from another revision on. `chosen` is what the
  // person had selected before this element was made anew.
  takeSelection({ revision, selection, chosen }) {
    if (this.revision !== revision) {
      this.revision = revision;
      this.gesture = undefined; // what is under a finger is not what it came down on
      this.touched = chosen !== null;
    } else if (this.touched || this.busy()) {
      return;
    }
    const [start_s, end_s] = (this.touched ? [chosen.start_s, chosen.end_s] : selection) ?? [null, null];
    this.selection = start_s === null ? null : { start_s, end_s };
    this.band = this.touched ? chosen.band_key : null;
  }

  // Whether the person is about to select something that Python does not know yet.
  busy() {
    return this.fingers.size > 0 || this.reporting !== undefined;
  }

  // ---- what the person does: the selection ------------------------------------------------------------------------

  select(selection, band = null) {
    this.selection = selection;
    this.band = band;
    this.place();
    this.report(0);
  }

  selectMiddle() {
    const quarter_s = (this.to_s - this.from_s) / 4;
    this.select({ start_s: this.from_s + quarter_s, end_s: this.to_s - quarter_s });
    this.handles.start.focus();
  }

  mayLetGo() {
    return this.view.selectable && !this.view.required && this.selection;
  }

  report(wait_ms) {
    this.touched = true;
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => {
      this.reporting = undefined;
      const { selection, band, revision } = this;
      const round = (value) => Math.round(value * 1000) / 1000;
      this.tell("selection", {
        start_s: selection && round(selection.start_s),
        end_s: selection && round(selection.end_s),
        band_key: band ?? null,
        revision,
      });
    }, wait_ms);
  }

  press(event) {
    if (event.button !== 0 || event.target.closest(".rs-band")) {
      return;
    }
    this.fingers.set(event.pointerId, event);
    this.plot.setPointerCapture(event.pointerId);
    if (this.fingers.size === 2) {
      this.beginPinch();
      return;
    }
    const at_s = this.secondAt(event);
    const target = event.target;
    this.plot.focus({ preventScroll: true });
    this.gesture = { begun: event, before: this.selection, band: this.band, moved: false };
    if (!this.view.selectable) {
      Object.assign(this.gesture, { kind: "pan", from_s: this.from_s, to_s: this.to_s });
    } else if (target === this.handles.start || target === this.handles.end) {
      target.focus();
      this.gesture.kind = target === this.handles.start ? "start" : "end";
    } else if (target === this.window) {
      Object.assign(this.gesture, { kind: "move", grip_s: at_s - this.selection.start_s });
    } else {
      Object.assign(this.gesture, { kind: "brush", anchor_s: at_s });
    }
    event.preventDefault(); // no text is selected, and no handle loses the focus that it was just given
  }

  drag(event) {
    if (!this.fingers.has(event.pointerId)) {
      return;
    }
    this.fingers.set(event.pointerId, event);
    const { gesture } = this;
    if (gesture?.kind === "pinch") {
      this.pinch();
      return;
    }
    if (!gesture || (!gesture.moved && Math.abs(event.clientX - gesture.begun.clientX) < CLICK_PX)) {
      return;
    }
    gesture.moved = true;
    if (gesture.kind === "pan") {
      const moved_s = ((event.clientX - gesture.begun.clientX) / this.width) * (gesture.to_s - gesture.from_s);
      this.look(gesture.from_s - moved_s, gesture.to_s - moved_s);
      return;
    }
    const at_s = this.secondAt(event);
    if (gesture.kind === "brush") {
      this.selection = { start_s: Math.min(gesture.anchor_s, at_s), end_s: Math.max(gesture.anchor_s, at_s) };
      this.band = null;
    } else if (gesture.kind === "move") {
      const length_s = gesture.before.end_s - gesture.before.start_s;
      const start_s = clamp(at_s - gesture.grip_s, 0, this.view.duration_s - length_s);
      this.selection = { start_s, end_s: start_s + length_s };
    } else {
      this.moveEdge(gesture.kind, at_s);
    }
    this.place();
  }

  release(event) {
    if (!this.fingers.delete(event.pointerId)) {
      return;
    }
    const { gesture } = this;
    if (this.fingers.size > 0 || !gesture) {
      return; // one finger of two, or what it held is gone
    }
    this.gesture = undefined;
    if (event.type === "pointercancel" && gesture.kind !== "pinch" && gesture.kind !== "pan") {
      this.selection = gesture.before; // the browser has made it a scroll of the page
      this.band = gesture.band;
      this.place();
    } else if (gesture.kind === "brush" && !gesture.moved) {
      if (this.mayLetGo()) {
        this.select(null);
      }
    } else if (gesture.moved && gesture.kind !== "pinch" && gesture.kind !== "pan") {
      if (this.selection.end_s - this.selection.start_s < LEAST_S) {
        this.moveEdge("end", this.selection.start_s + LEAST_S);
      }
      this.place();
      this.report(0);
    }
  }

  moveEdge(edge, to_s) {
    const { start_s, end_s } = this.selection;
    const least_s = Math.min(LEAST_S, this.view.duration_s);
    if (edge === "start") {
      this.selection = { start_s: clamp(to_s, 0, end_s - least_s), end_s };
    } else {
      this.selection = { start_s, end_s: clamp(to_s, start_s + least_s, this.view.duration_s) };
    }
  }

  nudge(edge, event) {
    const small_s = this.smallStep();
    const now_s = edge === "start" ? this.selection.start_s : this.selection.end_s;
    const to_s = {
      ArrowLeft: now_s - small_s * (event.shiftKey ? 10 : 1),
      ArrowDown: now_s - small_s * (event.shiftKey ? 10 : 1),
      ArrowRight: now_s + small_s * (event.shiftKey ? 10 : 1),
      ArrowUp: now_s + small_s * (event.shiftKey ? 10 : 1),
      PageDown: now_s - small_s * 10,
      PageUp: now_s + small_s * 10,
      Home: 0,
      End: this.view.duration_s,
    }[event.key];
    if (to_s === undefined) {
      return;
    }
    event.preventDefault();
    this.moveEdge(edge, to_s);
    this.follow(edge === "start" ? this.selection.start_s : this.selection.end_s);
    this.place();
    this.report(REPORT_MS);
  }

  // A hundredth of what is in sight, as a round number.
  smallStep() {
    return STEPS_S.find((step_s) => step_s >= (this.to_s - this.from_s) / 200) ?? STEPS_S.at(-1);
  }

  // ---- what the person does: the part in sight --------------------------------------------------------------------

  look(from_s, to_s) {
    [this.from_s, this.to_s] = clampRange(from_s, to_s, this.view.duration_s);
    this.draw();
    if (this.view.detailed) {
      clearTimeout(this.looking);
      this.looking = setTimeout(() => this.tell("seen", this.zoomed() ? [this.from_s, this.to_s] : null), REPORT_MS);
    }
  }

  zoomed() {
    return this.to_s - this.from_s < this.view.duration_s;
  }

  // Keeps `around_s` where it is.
  zoom(factor, around_s = this.middle()) {
    const span_s = clamp((this.to_s - this.from_s) * factor, Math.min(CLOSEST_S, this.view.duration_s), this.view.duration_s);
    const left_s = around_s - (around_s - this.from_s) * (span_s / (this.to_s - this.from_s));
    this.look(left_s, left_s + span_s);
  }

  middle() {
    const seen = this.selection && this.selection.start_s < this.to_s && this.selection.end_s > this.from_s;
    return seen ? (this.selection.start_s + this.selection.end_s) / 2 : (this.from_s + this.to_s) / 2;
  }

  follow(at_s) {
    const span_s = this.to_s - this.from_s;
    if (at_s < this.from_s || at_s > this.to_s) {
      this.look(at_s - span_s / 2, at_s + span_s / 2);
    }
  }

  // A wheel zooms only once the person has turned to the editor: until then it scrolls the page.
  wheel(event) {
    const meant = event.ctrlKey || event.metaKey || this.root.contains(document.activeElement);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      if (this.zoomed()) {
        event.preventDefault();
        const moved_s = (event.deltaX / this.width) * (this.to_s - this.from_s);
        this.look(this.from_s + moved_s, this.to_s + moved_s);
      }
    } else if (meant) {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * WHEEL_ZOOM), this.secondAt(event));
    }
  }

  beginPinch() {
    if (this.gesture && this.gesture.kind !== "pan") {
      this.selection = this.gesture.before;
      this.band = this.gesture.band;
      this.place();
    }
    const [left_s, right_s] = this.pinched().map((event) => this.secondAt(event));
    this.gesture = { kind: "pinch", left_s, right_s };
  }

  // What was under the two fingers stays under them.
  pinch() {
    const [left, right] = this.pinched().map((event) => this.offsetOf(event));
    const { left_s, right_s } = this.gesture;
    const per_px = (right_s - left_s) / Math.max(right - left, 1);
    const span_s = clamp(per_px * this.width, Math.min(CLOSEST_S, this.view.duration_s), this.view.duration_s);
    const from_s = left_s - (left / this.width) * span_s;
    this.look(from_s, from_s + span_s);
  }

  pinched() {
    return [...this.fingers.values()].sort((one, other) => one.clientX - other.clientX);
  }

  pressStrip(event) {
    this.strip.setPointerCapture(event.pointerId);
    this.gripped = { x: event.clientX, from_s: this.from_s };
    if (event.target === this.strip) {
      const share = (event.clientX - this.strip.getBoundingClientRect().left) / this.strip.clientWidth;
      this.gripped.from_s = share * this.view.duration_s - (this.to_s - this.from_s) / 2;
      this.dragStrip(event);
    }
  }

  dragStrip(event) {
    if (this.strip.hasPointerCapture(event.pointerId)) {
      const moved_s = ((event.clientX - this.gripped.x) / this.strip.clientWidth) * this.view.duration_s;
      const span_s = this.to_s - this.from_s;
      this.look(this.gripped.from_s + moved_s, this.gripped.from_s + moved_s + span_s);
    }
  }

  nudgeStrip(event) {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (direction) {
      event.preventDefault();
      const step_s = (direction * (this.to_s - this.from_s)) / 4;
      this.look(this.from_s + step_s, this.to_s + step_s);
    }
  }

  // ---- places -----------------------------------------------------------------------------------------------------

  get width() {
    return this.plot.clientWidth || 1;
  }

  offsetOf(event) {
    return event.clientX - this.plot.getBoundingClientRect().left;
  }

  secondAt(event) {
    const share = clamp(this.offsetOf(event) / this.width, 0, 1);
    return clamp(this.from_s + share * (this.to_s - this.from_s), 0, this.view.duration_s);
  }

  share(at_s) {
    return (at_s - this.from_s) / (this.to_s - this.from_s);
  }

  inWords(at_s, step_s = this.smallStep()) {
    return momentInWords(at_s, this.clock_ms, step_s);
  }

  arrangeBands() {
    const arranged = JSON.stringify(this.view.bands);
    if (arranged === this.arrangedBands) {
      return;
    }
    this.arrangedBands = arranged;
    this.bands.replaceChildren();
    for (const band of this.view.bands) {
      const made = make("button", `rs-band rs-band-${band.tone}`, this.bands);
      made.type = "button";
      made.textContent = band.text;
      made.style.setProperty("--lane", band.lane);
      made.band = band;
      made.addEventListener("click", () =>
        this.select({ start_s: band.start_s, end_s: Math.min(band.end_s, this.view.duration_s) }, band.key),
      );
    }
  }

  // What is drawn, and in which colour; nothing where there is but one thing, which the page names.
  arrangeCaptions() {
    const arranged = JSON.stringify(this.view.charts.map(({ title, lines }) => [title, lines.map(({ axis }) => axis)]));
    if (arranged === this.arrangedCaptions) {
      return;
    }
    this.arrangedCaptions = arranged;
    this.captions.replaceChildren();
    for (const { title, unit, lines } of this.view.charts) {
      const lane = make("div", "", this.captions);
      if (lines.length > 1) {
        const caption = make("span", "rs-editor-caption", lane);
        make("b", "", caption).textContent = title;
        make("span", "", caption).textContent = unit;
        for (const { axis } of lines) {
          make("i", `rs-editor-ink-${axis}`, caption).textContent = axis;
        }
      }
    }
  }

  place() {
    for (const made of this.bands.children) {
      const { start_s, end_s, text, key } = made.band;
      const [left, right] = [this.share(start_s), this.share(end_s)].map((share) => clamp(share, 0, 1));
      made.style.left = `${left * 100}%`;
      made.style.width = `${(right - left) * 100}%`;
      made.hidden = end_s <= this.from_s || start_s >= this.to_s;
      made.classList.toggle("rs-band-narrow", (right - left) * this.width < NARROW_PX);
      made.title = `${text}, ${this.inWords(start_s)} to ${this.inWords(end_s)}`;
      made.setAttribute("aria-pressed", String(key === this.band));
    }
    this.placeSelection();
    this.strip.hidden = !this.zoomed();
    this.thumb.style.left = `${(this.from_s / this.view.duration_s) * 100}%`;
    this.thumb.style.width = `${((this.to_s - this.from_s) / this.view.duration_s) * 100}%`;
    this.strip.setAttribute("aria-valuenow", Math.round((this.middleOfSight() / this.view.duration_s) * 100));
    this.zoomOut.disabled = !this.zoomed();
    this.zoomIn.disabled = this.to_s - this.from_s <= Math.min(CLOSEST_S, this.view.duration_s);
    this.choose.hidden = !this.view.selectable || Boolean(this.selection);
    this.letGo.hidden = !this.mayLetGo();
  }

  middleOfSight() {
    return (this.from_s + this.to_s) / 2;
  }

  placeSelection() {
    const { selection } = this;
    const parts = [this.window, ...this.shades, this.handles.start, this.handles.end];
    parts.forEach((part) => (part.hidden = !selection));
    this.readout.value = "";
    if (!selection) {
      return;
    }
    const [left, right] = [this.share(selection.start_s), this.share(selection.end_s)];
    const [from, to] = [clamp(left, 0, 1), clamp(right, 0, 1)];
    const percent = (share) => `${share * 100}%`;
    this.shades[0].style.cssText = `left: 0; width: ${percent(from)}`;
    this.shades[1].style.cssText = `left: ${percent(to)}; right: 0`;
    this.window.style.cssText = `left: ${percent(from)}; width: ${percent(to - from)}`;
    this.window.hidden = to <= from;
    for (const [edge, at_s, share] of [["start", selection.start_s, left], ["end", selection.end_s, right]]) {
      const handle = this.handles[edge];
      handle.style.left = percent(share);
      handle.hidden = !this.view.selectable || share < 0 || share > 1;
      handle.setAttribute("aria-valuemin", 0);
      handle.setAttribute("aria-valuemax", this.view.duration_s);
      handle.setAttribute("aria-valuenow", at_s.toFixed(1));
      handle.setAttribute("aria-valuetext", this.inWords(at_s));
    }
    const { start_s, end_s } = selection;
    const counted = this.view.marks.filter(({ kind, at_s }) => kind === "repetition" && at_s >= start_s && at_s <= end_s);
    const words = [`${this.inWords(start_s)} \u2013 ${this.inWords(end_s)}`, lengthInWords(end_s - start_s)];
    if (counted.length) {
      words.push(`${counted.length} ${counted.length === 1 ? "repetition" : "repetitions"}`);
    }
    this.readout.value = words.join(" \u00b7 ");
  }

  // ---- drawing ----------------------------------------------------------------------------------------------------

  draw() {
    if (!this.view) {
      return;
    }
    this.place();
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const font = getComputedStyle(this.root);
    context.font = `${0.8 * parseFloat(font.fontSize)}px ${font.fontFamily}`;
    const plotHeight = height - AXIS_PX;
    this.drawAxis(context, width, plotHeight);
    const { charts } = this.view;
    const lane = plotHeight / charts.length;
    charts.forEach((chart, number) => this.drawChart(context, chart, width, number * lane, lane));
    this.drawMarks(context, width, plotHeight);
  }

  colour(name) {
    this.probe.className = `rs-editor-ink-${name}`;
    return getComputedStyle(this.probe).color;
  }

  drawAxis(context, width, bottom) {
    const widest = context.measureText(this.inWords(Math.floor(this.to_s) + 0.5)).width;
    const { at_s, step_s } = ticks(this.from_s, this.to_s, width / (widest * 1.8), this.clock_ms);
    context.textBaseline = "middle";
    for (const moment of at_s) {
      const x = this.share(moment) * width;
      context.fillStyle = this.colour("line");
      context.fillRect(Math.round(x), 0, 1, bottom);
      const words = this.inWords(moment, step_s);
      const half = context.measureText(words).width / 2;
      context.fillStyle = this.colour("muted");
      context.fillText(words, clamp(x, half, width - half) - half, bottom + AXIS_PX / 2 + 2);
    }
  }

  drawChart(context, chart, width, top, height) {
    const { lines } = chart;
    const signed = lines.some(({ axis }) => axis !== "movement");
    const most = Math.max(...lines.map(({ values }) => largest(values)), 1e-9);
    const scale = chart.scales.find((step) => step >= most) ?? most * 1.05;
    const zero = signed ? top + height / 2 : top + height;
    const perUnit = (signed ? height / 2 - 4 : height - 4) / scale;
    context.fillStyle = this.colour("line");
    context.fillRect(0, Math.round(zero) - (signed ? 0 : 1), width, 1);
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    for (const { axis, values } of lines) {
      context.strokeStyle = context.fillStyle = this.colour(axis);
      for (const stretch of this.stretches(values, width)) {
        context.beginPath();
        stretch.forEach(([x, value]) => context.lineTo(x, zero - value * perUnit));
        if (signed) {
          context.stroke();
        } else {
          context.lineTo(stretch.at(-1)[0], zero);
          context.lineTo(stretch[0][0], zero);
          context.fill();
        }
      }
    }
  }

  // The uninterrupted stretches of a line in sight, as points [x, value], and one point beyond each end.
  stretches(values, width) {
    const { offsets_s } = this.view;
    const found = [];
    let current = [];
    const end = () => {
      if (current.length > 1) {
        found.push(current);
      }
      current = [];
    };
    for (let row = 0; row < values.length; row += 1) {
      const at_s = offsets_s[row];
      if (values[row] === null || at_s === null) {
        end();
      } else if ((offsets_s[row + 1] ?? at_s) < this.from_s) {
        current = [];
      } else {
        current.push([this.share(at_s) * width, values[row]]);
        if (at_s > this.to_s) {
          break;
        }
      }
    }
    end();
    return found;
  }

  drawMarks(context, width, bottom) {
    for (const { at_s, kind, text } of this.view.marks) {
      const x = this.share(at_s) * width;
      if (x < 0 || x > width) {
        continue;
      }
      context.fillStyle = context.strokeStyle = this.colour(kind);
      if (kind === "repetition") {
        context.beginPath();
        context.arc(x, bottom - 7, 4, 0, 2 * Math.PI);
        context.fill();
        continue;
      }
      context.beginPath();
      context.setLineDash([4, 4]);
      context.moveTo(x, 0);
      context.lineTo(x, bottom);
      context.stroke();
      context.setLineDash([]);
      const length = context.measureText(text).width + 8;
      const left = x + 4 + length > width ? x - 4 - length : x + 4;
      context.fillStyle = this.colour("ground");
      context.fillRect(left, 4, length, 20);
      context.fillStyle = this.colour(kind);
      context.textBaseline = "middle";
      context.fillText(text, left + 4, 15);
    }
  }
}

function make(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  return parent.appendChild(made);
}

function button(parent, words, label, act) {
  const made = make("button", "rs-editor-button", parent);
  made.type = "button";
  made.textContent = words;
  if (label) {
    made.setAttribute("aria-label", label);
    made.title = label;
  }
  made.addEventListener("click", act);
  return made;
}

function clamp(value, least, most) {
  return Math.min(Math.max(value, least), Math.max(least, most));
}

function clampRange(from_s, to_s, duration_s) {
  const span_s = Math.min(to_s - from_s, duration_s);
  const left_s = clamp(from_s, 0, duration_s - span_s);
  return [left_s, left_s + span_s];
}

function largest(values) {
  let most = 0;
  for (const value of values) {
    most = Math.max(most, Math.abs(value ?? 0));
  }
  return most;
}
