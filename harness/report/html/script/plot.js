// One scatter plot: a run's ranks or scores against the truth, on a canvas.

// Cividis, from little to much on a light ground.
const RAMP = ["#f0dc4f", "#c4b56c", "#958f78", "#6c6e72", "#434e6c", "#123570", "#00204d"];
const dark = matchMedia("(prefers-color-scheme: dark)");

function rampColour(uses, most) {
  const share = most ? uses / most : 0;
  return RAMP[Math.round((dark.matches ? 1 - share : share) * (RAMP.length - 1))];
}

/** The scale of an axis: its range, marks, and place of a value from 0 to 1. */
function scale(values, ranked) {
  let low = Math.min(...values), high = Math.max(...values);
  const pad = (high - low || 1) * .03;
  [low, high] = [low - pad, high + pad];
  const marks = ticks(low, high);
  if (ranked) marks.found = [1, ...marks.found.filter((v) => v > (high - low) / 12)].filter((v) => v >= low);
  const place = ranked ? (v) => (high - v) / (high - low) : (v) => (v - low) / (high - low);
  return { ...marks, place };
}

/** The pick is a diamond, the truly best a square: told apart by shape as well as by colour. */
function symbol(context, { x, y }, name, fill, border) {
  context.save();
  context.translate(x, y);
  if (name === "mark") context.rotate(Math.PI / 4);
  context.fillStyle = fill;
  context.strokeStyle = border;
  context.lineWidth = 1.5;
  context.fillRect(-5.5, -5.5, 11, 11);
  context.strokeRect(-5.5, -5.5, 11, 11);
  context.restore();
}

/**
 * Draw the architectures `shown` and return where their points lie.
 *
 * `view` has ranked (axes are ranks), xs and ys (values of both axes), yTitle, best and pick (architectures that are
 * marked), count (of all architectures), and uses and most (to colour by), or uses = null.
 */
function drawPlot(plot, shown, view) {
  const canvas = plot.querySelector("canvas"), ratio = devicePixelRatio || 1, size = plot.clientWidth, at = new Map();
  if (!size || !shown.length) return at;
  canvas.width = canvas.height = Math.round(size * ratio);
  const context = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  context.scale(ratio, ratio);
  const { ranked, xs, ys } = view, area = { left: 46, top: 26, right: 8, bottom: 44 };
  const across = size - area.left - area.right, down = size - area.top - area.bottom;
  const horizontal = scale(shown.map((i) => xs[i]), ranked), vertical = scale(shown.map((i) => ys[i]), ranked);
  const px = (v) => area.left + horizontal.place(v) * across, py = (v) => area.top + (1 - vertical.place(v)) * down;
  plot.dataset.area = [area.left, area.top, across, down].join(" ");

  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = colour("panel");
  context.fillRect(area.left, area.top, across, down);
  context.strokeStyle = colour("faint");
  context.lineWidth = 1;
  const line = (x0, y0, x1, y1) => {
    context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y1); context.stroke();
  };
  const text = (words, x, y, align, baseline, name) => {
    Object.assign(context, { textAlign: align, textBaseline: baseline, fillStyle: colour(name) });
    context.fillText(words, x, y);
  };
  for (const v of horizontal.found) {
    line(px(v), area.top, px(v), area.top + down);
    const words = number(v, ranked ? 0 : horizontal.digits);
    text(words, Math.min(px(v), size - 10), area.top + down + 6, "center", "top", "soft");
  }
  for (const v of vertical.found) {
    line(area.left, py(v), area.left + across, py(v));
    text(number(v, ranked ? 0 : vertical.digits), area.left - 6, py(v), "right", "middle", "soft");
  }
  context.strokeStyle = colour("line");
  context.strokeRect(area.left, area.top, across, down);
  const xTitle = ranked ? "true rank (1 = best)" : "true accuracy, %";
  text(xTitle, area.left + across / 2, size - 3, "center", "bottom", "ink");
  text(view.yTitle, 0, 2, "left", "top", "ink");

  context.save();
  context.beginPath(); context.rect(area.left, area.top, across, down); context.clip();
  const { uses, most } = view, order = uses ? [...shown].sort((a, b) => uses(a) - uses(b)) : shown;
  const radius = Math.max(1.5, Math.min(4.5, size / 3.6 / Math.sqrt(shown.length)));
  context.globalAlpha = uses ? .85 : shown.length > 600 ? .5 : .65;
  for (const i of order) {
    const point = { x: px(xs[i]), y: py(ys[i]) };
    at.set(i, point);
    context.fillStyle = uses ? rampColour(uses(i), most) : colour("point");
    context.beginPath(); context.arc(point.x, point.y, radius, 0, 7); context.fill();
  }
  context.globalAlpha = 1;
  if (ranked) {
    context.strokeStyle = colour("ink");
    context.setLineDash([5, 4]);
    line(px(1), py(1), px(view.count), py(view.count));
    context.setLineDash([]);
  }
  context.restore();
  for (const [i, name] of [[view.best, "mark-2"], [view.pick, "mark"]]) {
    if (at.has(i)) symbol(context, at.get(i), name, colour(name), colour("panel"));
  }
  return at;
}
