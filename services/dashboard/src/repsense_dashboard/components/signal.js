// Draws the last seconds of the signal. Called anew with every new window of data, on the same element: what the
// element has is kept (`charts`), so nothing is rebuilt and nothing flickers.

const LINE_PX = 2;

export default function (component) {
  const data = JSON.parse(new TextDecoder().decode(component.data));
  const { parentElement } = component;
  let panel = parentElement.querySelector(".rs-signal");
  if (!panel) {
    panel = document.createElement("div");
    panel.className = "rs-signal";
    panel.charts = new Map();
    panel.redraw = () => panel.charts.forEach((chart) => draw(chart, panel.data));
    // Widths change with the window; colours with the theme.
    panel.observer = new ResizeObserver(panel.redraw);
    panel.observer.observe(panel);
    parentElement.appendChild(panel);
  }
  const moved_s = panel.data ? data.end_s - panel.data.end_s : 0;
  panel.data = data;
  arrange(panel, data);
  panel.redraw();
  slide(panel, data, moved_s);
  return () => panel.observer.disconnect();
}

// One chart per group that the sensor has; a sensor that loses or gains a group gets others.
function arrange(panel, data) {
  const titles = data.charts.map((chart) => chart.title).join();
  if (panel.titles !== titles) {
    panel.titles = titles;
    panel.charts.clear();
    panel.replaceChildren();
    for (const { title, unit, lines } of data.charts) {
      const figure = element("figure", "rs-chart", panel);
      const caption = element("figcaption", "", figure);
      element("b", "", caption).textContent = title;
      element("span", "rs-unit", caption).textContent = unit;
      const legend = element("span", "rs-legend", caption);
      for (const { axis } of lines) {
        element("i", `rs-axis-${axis}`, legend).textContent = axis;
      }
      const plot = element("div", "rs-plot", figure);
      const canvas = element("canvas", "", plot);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${title} of the last ${data.seconds} seconds`);
      const high = element("span", "rs-high", plot);
      const low = element("span", "rs-low", plot);
      panel.charts.set(title, { plot, canvas, high, low, scale: 0 });
    }
  }
  for (const { title, scales, lines } of data.charts) {
    const chart = panel.charts.get(title);
    chart.lines = lines;
    chart.scale = nextScale(chart.scale, scales, peak(lines));
    chart.high.textContent = `+${chart.scale}`;
    chart.low.textContent = `\u2212${chart.scale}`;
  }
}

function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  return parent.appendChild(made);
}

function peak(lines) {
  let most = 0;
  for (const { values } of lines) {
    for (const value of values) {
      most = Math.max(most, Math.abs(value ?? 0));
    }
  }
  return most;
}

// Grows at once, shrinks only when the signal has become clearly smaller: an axis that breathes cannot be read.
function nextScale(scale, scales, most) {
  const fitting = scales.find((candidate) => candidate >= 1.05 * most) ?? scales.at(-1);
  const smaller = scales[scales.indexOf(scale) - 1];
  return fitting < scale && most > 0.8 * smaller ? scale : fitting;
}

function draw(chart, data) {
  const { canvas, plot, lines, scale } = chart;
  const ratio = window.devicePixelRatio || 1;
  const width = plot.clientWidth;
  const height = plot.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineWidth = LINE_PX;
  context.lineJoin = "round";
  const middle = height / 2;
  const reach = middle - LINE_PX;
  const x = data.offsets_s.map((offset) => (offset === null ? null : width * (1 + offset / data.seconds)));
  for (const { axis, values } of lines) {
    context.strokeStyle = colour(plot, axis);
    context.beginPath();
    let drawing = false;
    values.forEach((value, row) => {
      if (value === null || x[row] === null) {
        drawing = false;
        return;
      }
      const y = middle - (value / scale) * reach;
      if (drawing) {
        context.lineTo(x[row], y);
      } else {
        context.moveTo(x[row], y);
      }
      drawing = true;
    });
    context.stroke();
  }
}

function colour(plot, axis) {
  const legend = plot.parentElement.querySelector(`.rs-axis-${axis}`);
  return getComputedStyle(legend).color;
}

// New signal does not jump in: the drawing starts where the last one was and slides on until the next is due. It is
// the compositor that moves it.
function slide(panel, data, moved_s) {
  const now = performance.now();
  const waited_ms = now - (panel.slid_at ?? now);
  panel.slid_at = now;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (calm || moved_s <= 0 || moved_s > data.seconds / 2 || waited_ms > 2000) {
    panel.charts.forEach((chart) => chart.motion?.cancel());
    return;
  }
  // Smoothed, as the due time of the next update is only known from the last ones.
  panel.period_ms = 0.8 * (panel.period_ms ?? waited_ms) + 0.2 * waited_ms;
  for (const chart of panel.charts.values()) {
    const left = chart.motion ? new DOMMatrix(getComputedStyle(chart.canvas).transform).m41 : 0;
    const start = left + (moved_s / data.seconds) * chart.plot.clientWidth;
    chart.motion?.cancel();
    chart.motion = chart.canvas.animate([{ transform: `translateX(${start}px)` }, { transform: "none" }], {
      duration: 1.1 * panel.period_ms,
      easing: "linear",
    });
  }
}
