// Architectures as drawings and strings.

/** An architecture's string, which breaks between operations only. */
const spelled = (arch) => make("code", {}, ...arch.split(/(?<=[+|](?=[^+|]))/).flatMap((part) => [part, make("wbr")]));

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
const plain = /^(nor_)?conv/;
const labelOf = (op) => {
  if (kind(op) === "pool") return op.includes("avg") ? "avg pool" : "max pool";
  // Separable and dilated convolutions keep their names: they are not the plain ones of their size.
  return op.includes("_conv_") && !plain.test(op) ? op.replace("_conv_", " ").replace("x", "×") : LABELS[kind(op)] ?? op;
};

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
