// Runs after sortable.js, in the same strict script.
const byId = (id) => document.getElementById(id);

/** An element with attributes and children; text always goes in as text, never as markup. */
function make(name, attributes = {}, ...children) {
  const drawn = ["svg", "g", "path", "line", "circle", "rect", "polygon", "text"].includes(name);
  const element = drawn ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** An architecture's string, which breaks between operations only. */
const spelled = (arch) => make("code", {}, ...arch.split(/(?<=[+|](?=[^+|]))/).flatMap((part) => [part, make("wbr")]));

const number = (value, digits = 0) =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");

// ---- filter of the table ------------------------------------------------------------------------------------------

{
  const rows = [...byId("table").querySelectorAll("tbody tr")];
  const search = (row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent).join(" ").toLowerCase();
  const texts = new Map(rows.map((row) => [row, search(row)]));
  const filter = () => {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const family = byId("family").value;
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((word) => texts.get(row).includes(word));
      row.hidden = !(fits && (!family || row.dataset.family.split(" + ").includes(family)));
      shown += !row.hidden;
    }
    byId("count").textContent = shown === rows.length ? `${shown} settings` : `${shown} of ${rows.length} settings`;
  };
  byId("filter").addEventListener("input", filter);
  byId("family").addEventListener("change", filter);
  filter(); // browsers keep what was typed before a reload
}

// ---- cells ------------------------------------------------------------------------------------------------------

/** Edges on a path of operations other than none from an input to the output. */
function alive({ nodes, edges, inputs }) {
  const kept = edges.filter(({ op }) => op !== "none");
  const reached = new Set([...nodes.keys()].slice(0, inputs)), used = new Set([nodes.length - 1]);
  for (const { from, to } of [...kept].sort((a, b) => a.to - b.to)) if (reached.has(from)) reached.add(to);
  for (const { from, to } of [...kept].sort((a, b) => b.from - a.from)) if (used.has(to)) used.add(from);
  return new Set(kept.filter(({ from, to }) => reached.has(from) && used.has(to)));
}

const kind = (op) => ["none", "skip", "pool", "1x1", "3x3"].find((part) => op.includes(part))
  ?.replace("1x1", "conv1").replace("3x3", "conv3") ?? "";
const LABELS = { conv3: "conv 3×3", conv1: "conv 1×1", skip: "skip", none: "none" };
const labelOf = (op) => (kind(op) === "pool" ? (op.includes("avg") ? "avg pool" : "max pool") : LABELS[kind(op)] ?? op);

/** The cell as a drawing: nodes on a line, edges that jump over nodes as arcs. */
function drawCell(text, [nodes, triples, inputs]) {
  const edges = triples.map(([from, to, op]) => ({ from, to, op })), last = nodes.length - 1;
  const onNodes = !edges.some(({ op }) => op), live = alive({ nodes, edges, inputs });
  const width = 320, half = onNodes ? 18 : 12, edge = half + 4, step = (width - 2 * edge) / last;
  const x = (node) => edge + node * step;
  // Edges from even nodes arch above the line and those from odd ones below, the longer the higher.
  const rise = ({ from, to }) => (to - from < 2 ? 0 : (from % 2 ? -1 : 1) * (onNodes ? 9 + 11 * (to - from) : 30 * (to - from) - 24));
  const top = Math.max(14, ...edges.map(rise)) + 12, bottom = Math.max(14, ...edges.map((e) => -rise(e))) + 12;
  const y = top;
  const svg = make("svg", { class: "cell", viewBox: `0 0 ${width} ${top + bottom}`, role: "img", "aria-label": `cell ${text}` });
  const labels = [];
  for (const e of edges) {
    const up = rise(e), dead = live.has(e) ? "" : " dead";
    const a = { x: x(e.from), y }, b = { x: x(e.to), y }, c = { x: (a.x + b.x) / 2, y: y - 2 * up };
    const towards = (p, q, distance) => {
      const length = Math.hypot(q.x - p.x, q.y - p.y);
      return { x: p.x + ((q.x - p.x) * distance) / length, y: p.y + ((q.y - p.y) * distance) / length };
    };
    const start = towards(a, c, half * (onNodes && up ? .75 : 1)), end = towards(b, c, half * (onNodes && up ? .75 : 1));
    const neck = towards(end, c, 8), angle = Math.atan2(end.y - neck.y, end.x - neck.x);
    const corner = (side) => `${(neck.x - side * 4 * Math.sin(angle)).toFixed(1)},${(neck.y + side * 4 * Math.cos(angle)).toFixed(1)}`;
    const f = (p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
    svg.append(make("g", { class: kind(e.op) + dead },
      make("path", { class: "edge", d: `M${f(start)}Q${f(c)} ${f(neck)}` }),
      make("polygon", { class: "tip-of", points: `${corner(1)} ${corner(-1)} ${end.x.toFixed(1)},${end.y.toFixed(1)}` })));
    if (e.op) labels.push(make("text", { class: `label ${kind(e.op)}${dead}`, x: c.x.toFixed(1), y: (up ? (start.y + 2 * c.y + end.y) / 4 : y - 11).toFixed(1) }, labelOf(e.op)));
  }
  nodes.forEach((name, i) => {
    const dead = i >= inputs && i < last && !edges.some((e) => live.has(e) && (e.from === i || e.to === i)) ? " dead" : "";
    const box = onNodes
      ? make("rect", { class: `node ${kind(name)}${dead}`, x: x(i) - half, y: y - 11, width: 2 * half, height: 22, rx: 5 })
      : make("circle", { class: `node${dead}`, cx: x(i), cy: y, r: half });
    const short = onNodes ? labelOf(name).replace("conv ", "").replace(/^(avg|max) /, "") : name;
    svg.append(box, make("text", { x: x(i), y, class: dead.trim() }, short));
  });
  svg.append(...labels);
  return svg;
}

// ---- scatter ----------------------------------------------------------------------------------------------------

/** Ranks from 1, the highest value; equal values share their mean rank. */
function ranksOf(values) {
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]);
  const ranks = new Array(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j < order.length && values[order[j]] === values[order[i]]) j++;
    for (let k = i; k < j; k++) ranks[order[k]] = (i + j + 1) / 2;
    i = j;
  }
  return ranks;
}

/** Round numbers across a range, about `count` of them. */
function ticks(low, high, count = 5) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// Cividis, from little to much on a light ground.
const RAMP = ["#f0dc4f", "#c4b56c", "#958f78", "#6c6e72", "#434e6c", "#123570", "#00204d"];

const { archs, cells, true: truth, runs } = JSON.parse(byId("data").textContent);
byId("no-runs").hidden = runs.length > 0;
byId("scatter").hidden = runs.length === 0;

if (runs.length) {
  const plot = byId("plot"), canvas = plot.querySelector("canvas"), ring = plot.querySelector(".ring"), tip = byId("tip");
  const trueRanks = ranksOf(truth), count = archs.length;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const opsOf = cells.map((graphs) => graphs.flatMap(([nodes, edges, inputs]) => {
    const onEdges = edges.map(([, , op]) => op).filter(Boolean);
    return onEdges.length ? onEdges : nodes.slice(inputs, -1);
  }));
  let run, ranks, shown, byTrue, byScore, pick, best, at, active = -1;
  let pinned = ""; // what keeps the tooltip: nothing, "key" or "click"

  runs.forEach((one, i) => {
    byId("run").append(make("option", { value: i }, `${one.label}, seed ${one.seed}: τ ${one.tau === null ? "–" : number(one.tau, 3)}`));
  });
  for (const op of [...new Set(opsOf.flat())].sort()) {
    byId("colour").append(make("option", { value: op }, `uses of ${op}`));
  }

  /** Take what the controls say, and draw. */
  function update() {
    run = runs[byId("run").value];
    ranks = ranksOf(run.scores);
    const last = byId("part").value === "best" ? Math.max(2, count / 10) : count;
    const known = [...archs.keys()].filter((i) => run.scores[i] !== null && truth[i] !== null);
    shown = known.filter((i) => trueRanks[i] <= last);
    byTrue = [...shown].sort((a, b) => trueRanks[b] - trueRanks[a]);
    byScore = [...shown].sort((a, b) => ranks[b] - ranks[a]);
    pick = known.reduce((a, b) => (ranks[b] < ranks[a] ? b : a), known[0]);
    best = known.reduce((a, b) => (trueRanks[b] < trueRanks[a] ? b : a), known[0]);
    Object.assign(plot.dataset, { run: run.hash, label: run.label, seed: run.seed, axes: byId("axes").value, points: shown.length });
    plot.setAttribute("aria-label", `True against predicted ${byId("axes").value} of ${number(shown.length)} architectures, ${run.label}, seed ${run.seed}`);
    describe();
    draw();
    if (at?.has(active)) show(active); else hide();
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

  function draw() {
    const ratio = devicePixelRatio || 1, size = plot.clientWidth;
    if (!size) return;
    canvas.width = canvas.height = Math.round(size * ratio);
    const context = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    context.scale(ratio, ratio);
    const ranked = byId("axes").value === "ranks";
    const xs = ranked ? trueRanks : truth, ys = ranked ? ranks : run.scores;
    const area = { left: 46, top: 26, right: 8, bottom: 44 };
    const across = size - area.left - area.right, down = size - area.top - area.bottom;
    const horizontal = scale(shown.map((i) => xs[i]), ranked), vertical = scale(shown.map((i) => ys[i]), ranked);
    const px = (v) => area.left + horizontal.place(v) * across, py = (v) => area.top + (1 - vertical.place(v)) * down;

    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = colour("panel");
    context.fillRect(area.left, area.top, across, down);
    context.strokeStyle = colour("faint");
    context.lineWidth = 1;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const v of horizontal.found) {
      context.beginPath(); context.moveTo(px(v), area.top); context.lineTo(px(v), area.top + down); context.stroke();
      context.fillStyle = colour("soft");
      context.fillText(number(v, ranked ? 0 : horizontal.digits), Math.min(px(v), size - 10), area.top + down + 6);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const v of vertical.found) {
      context.beginPath(); context.moveTo(area.left, py(v)); context.lineTo(area.left + across, py(v)); context.stroke();
      context.fillStyle = colour("soft");
      context.fillText(number(v, ranked ? 0 : vertical.digits), area.left - 6, py(v));
    }
    context.strokeStyle = colour("line");
    context.strokeRect(area.left, area.top, across, down);
    context.fillStyle = colour("ink");
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.fillText(ranked ? "true rank (1 = best)" : "true accuracy, %", area.left + across / 2, size - 3);
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(ranked ? "predicted rank (1 = best)" : "score (higher is better)", 0, 2);

    context.save();
    context.beginPath(); context.rect(area.left, area.top, across, down); context.clip();
    const op = byId("colour").value;
    const uses = (i) => opsOf[i].filter((name) => name === op).length;
    const most = op ? Math.max(...[...archs.keys()].map(uses)) : 0;
    const order = op ? [...shown].sort((a, b) => uses(a) - uses(b)) : shown;
    const radius = Math.max(1.5, Math.min(4.5, size / 3.6 / Math.sqrt(shown.length)));
    context.globalAlpha = op ? .85 : shown.length > 600 ? .5 : .65;
    at = new Map();
    for (const i of order) {
      const point = { x: px(xs[i]), y: py(ys[i]) };
      at.set(i, point);
      context.fillStyle = op ? rampColour(uses(i), most) : colour("point");
      context.beginPath(); context.arc(point.x, point.y, radius, 0, 7); context.fill();
    }
    context.globalAlpha = 1;
    if (ranked) {
      context.strokeStyle = colour("ink");
      context.setLineDash([5, 4]);
      context.beginPath(); context.moveTo(px(1), py(1)); context.lineTo(px(count), py(count)); context.stroke();
      context.setLineDash([]);
    }
    context.restore();
    for (const [i, name] of [[best, "mark-2"], [pick, "mark"]]) {
      if (at.has(i)) symbol(context, at.get(i), name, colour(name), colour("panel"));
    }
    legend(op, most);
    plot.dataset.area = [area.left, area.top, across, down].join(" ");
  }

  const rampColour = (uses, most) => {
    const share = most ? uses / most : 0;
    return RAMP[Math.round((dark.matches ? 1 - share : share) * (RAMP.length - 1))];
  };

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

  function legend(op, most) {
    const mark = (name, turned) => make("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" },
      make("rect", { x: -5, y: -5, width: 10, height: 10, fill: `var(--${name})`, transform: turned ? "rotate(45)" : "rotate(0)" }));
    const items = [
      make("li", {}, mark("mark", true), "highest score: the pick"),
      make("li", {}, mark("mark-2", false), "truly best"),
    ];
    if (op) {
      const ramp = make("div", { class: "ramp" });
      for (let k = 0; k <= most; k++) {
        ramp.append(make("span", { style: `--c: ${rampColour(k, most)}` }, k));
      }
      items.push(make("li", {}, make("div", {}, `uses of ${op}`, ramp)));
    }
    facts.querySelector(".legend").replaceChildren(...items);
  }

  const facts = byId("facts");
  function describe() {
    const tied = [...archs.keys()].filter((i) => run.scores[i] === run.scores[pick]).length;
    const list = [
      ["Kendall τ of the run", run.tau === null ? "–" : number(run.tau, 3)],
      ["Architectures shown", number(shown.length)],
      [tied > 1 ? `Pick (one of ${tied} that tie): true rank` : "Pick: true rank", number(trueRanks[pick], trueRanks[pick] % 1 ? 1 : 0)],
      ["Pick: true accuracy", `${number(truth[pick], 2)} %`],
      ["Truly best: predicted rank", number(ranks[best], ranks[best] % 1 ? 1 : 0)],
      ["Truly best: true accuracy", `${number(truth[best], 2)} %`],
    ];
    const dl = make("dl");
    for (const [name, value] of list) dl.append(make("dt", {}, name), make("dd", {}, value));
    facts.replaceChildren(make("h3", {}, `${run.label}, seed ${run.seed}`), dl, make("ul", { class: "legend" }));
  }

  /** Show what is known of an architecture, beside its point. */
  function show(i, aloud = false) {
    active = i;
    plot.dataset.active = i;
    const place = (rank) => `${number(rank, rank % 1 ? 1 : 0)} of ${number(count)}`;
    const off = trueRanks[i] - ranks[i];
    const moved = off ? `${off > 0 ? "▲" : "▼"} ${number(Math.abs(off), off % 1 ? 1 : 0)} places too ${off > 0 ? "high" : "low"}` : "in its place";
    const list = [
      ["True rank", place(trueRanks[i])],
      ["Predicted rank", place(ranks[i])],
      ["Ranked", moved],
      ["True accuracy", `${number(truth[i], 2)} %`],
      ["Score", String(run.scores[i]).replace("-", "−")],
    ];
    const dl = make("dl");
    for (const [name, value] of list) dl.append(make("dt", {}, name), make("dd", {}, value));
    tip.replaceChildren(spelled(archs[i]), ...cells[i].map((graph) => drawCell(archs[i], graph)), dl);
    const { x, y } = at.get(i);
    Object.assign(ring.style, { left: `${x}px`, top: `${y}px` });
    tip.hidden = ring.hidden = false;
    // Beside the point, on the side that has room, and within the window's width.
    const box = plot.getBoundingClientRect(), room = document.documentElement.clientWidth - box.left - 8;
    let left = x + 16;
    if (left + tip.offsetWidth > room) left = x - 16 - tip.offsetWidth;
    left = Math.max(8 - box.left, Math.min(left, room - tip.offsetWidth));
    const lowest = Math.max(plot.clientHeight, innerHeight - box.top) - tip.offsetHeight - 8;
    const highest = Math.max(0, 8 - box.top);
    const top = Math.max(Math.min(highest, plot.clientHeight), Math.min(y - tip.offsetHeight / 2, lowest));
    Object.assign(tip.style, { left: `${left}px`, top: `${top}px` });
    if (aloud) byId("said").textContent = [archs[i], ...list.map((pair) => pair.join(" "))].join(", ");
  }

  function hide() {
    active = -1;
    pinned = "";
    delete plot.dataset.active;
    tip.hidden = ring.hidden = true;
  }

  function nearest(event, reach) {
    const box = plot.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let found = -1, least = reach ** 2;
    for (const [i, point] of at) {
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) [found, least] = [i, distance];
    }
    return found;
  }

  plot.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" || pinned === "click") return;
    const i = nearest(event, 14);
    if (i < 0) return pinned || hide();
    pinned = "";
    if (i !== active) show(i);
  });
  plot.addEventListener("pointerleave", () => { if (!pinned) hide(); });
  plot.addEventListener("pointerdown", (event) => {
    const i = nearest(event, event.pointerType === "touch" ? 30 : 14);
    if (i < 0) return hide();
    show(i);
    pinned = "click";
  });
  document.addEventListener("pointerdown", (event) => { if (!byId("scatter").contains(event.target)) hide(); });
  plot.addEventListener("focus", () => {
    if (!plot.matches(":focus-visible") || active >= 0) return;
    show(byScore.at(-1), true);
    pinned = "key";
  });
  plot.addEventListener("blur", () => { if (pinned === "key") hide(); });
  plot.addEventListener("keydown", (event) => {
    const moves = { ArrowRight: [byTrue, 1], ArrowLeft: [byTrue, -1], ArrowUp: [byScore, 1], ArrowDown: [byScore, -1] };
    if (event.key === "Escape") return hide();
    const ends = { Home: byTrue[0], End: byTrue.at(-1) };
    let next = ends[event.key];
    if (moves[event.key]) {
      const [order, step] = moves[event.key];
      const from = active < 0 ? order.length - 1 - step : order.indexOf(active);
      next = order[Math.max(0, Math.min(order.length - 1, from + step * (event.shiftKey ? 10 : 1)))];
    }
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(next, true);
    pinned = "key";
  });
  for (const id of ["run", "axes", "part", "colour"]) byId(id).addEventListener("change", update);
  dark.addEventListener("change", draw);
  new ResizeObserver(() => { draw(); if (at?.has(active)) show(active); }).observe(plot);
  update();
}
