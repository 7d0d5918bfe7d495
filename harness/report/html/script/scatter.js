// Rank disorder: one run or two beside each other, and what is known of an architecture in both.

const { archs, cells, true: truth, runs } = JSON.parse(byId("data").textContent);
byId("no-runs").hidden = runs.length > 0;
byId("scatter").hidden = runs.length === 0;

if (runs.length) {
  const tip = byId("tip"), trueRanks = ranksOf(truth), count = archs.length;
  const opsOf = cells.map((graphs) => graphs.flatMap(([nodes, edges, inputs]) => {
    const onEdges = edges.map(([, , op]) => op).filter(Boolean);
    return onEdges.length ? onEdges : nodes.slice(inputs, -1);
  }));
  const whole = (rank) => number(rank, rank % 1 ? 1 : 0);
  const named = ({ label, seed, seeds }) =>
    seeds ? `${label}, mean ranks of ${seeds} seeds` : seed === null ? label : `${label}, seed ${seed}`;

  // All that can be chosen: for every setting the mean over its seeds, where it has several, and each seed.
  const choices = [];
  for (const label of new Set(runs.map((run) => run.label))) {
    const own = runs.filter((run) => run.label === label);
    const usable = own.filter((run) => run.scores.every((score) => score !== null));
    if (usable.length > 1) choices.push(meanRun(label, usable));
    choices.push(...own);
  }
  for (const select of [byId("run"), byId("run-2")]) {
    for (const run of choices) {
      const tau = run.tau === null ? "–" : number(run.tau, 3);
      select.append(make("option", { value: run.hash }, `${named(run)}: τ ${tau}`));
    }
  }
  for (const op of [...new Set(opsOf.flat())].sort()) {
    byId("colour").append(make("option", { value: op }, `uses of ${op}`));
  }

  const panes = ["", "-2"].map((suffix) => ({
    select: byId(`run${suffix}`), plot: byId(`plot${suffix}`), facts: byId(`facts${suffix}`), at: new Map(),
    ring: byId(`plot${suffix}`).querySelector(".ring"), root: byId(`plot${suffix}`).closest(".pane"),
  }));
  let active = -1, pinned = ""; // the architecture shown, and what keeps it: nothing, "key" or "click"
  const visible = () => panes.filter((pane) => !pane.root.hidden);

  /** Take what the controls say, and draw. */
  function update() {
    panes[1].root.hidden = !panes[1].select.value;
    byId("scatter").classList.toggle("two", !panes[1].root.hidden);
    for (const pane of visible()) take(pane);
    draw();
    if (active >= 0 && visible().some((pane) => pane.at.has(active))) show(active); else hide();
  }

  /** What a pane shows of its run. */
  function take(pane) {
    const run = choices.find((one) => one.hash === pane.select.value) ?? choices[0];
    const ranks = ranksOf(run.scores), last = byId("part").value === "best" ? Math.max(2, count / 10) : count;
    const known = [...archs.keys()].filter((i) => run.scores[i] !== null && truth[i] !== null);
    const shown = known.filter((i) => trueRanks[i] <= last);
    Object.assign(pane, {
      run, ranks, shown,
      byTrue: [...shown].sort((a, b) => trueRanks[b] - trueRanks[a]),
      byScore: [...shown].sort((a, b) => ranks[b] - ranks[a]),
      pick: known.reduce((a, b) => (ranks[b] < ranks[a] ? b : a), known[0]),
      best: known.reduce((a, b) => (trueRanks[b] < trueRanks[a] ? b : a), known[0]),
    });
    const axes = byId("axes").value;
    Object.assign(pane.plot.dataset, { run: run.hash, label: run.label, seed: run.seed ?? "", axes, points: shown.length });
    const title = `True against predicted ${axes} of ${number(shown.length)} architectures, ${named(run)}`;
    pane.plot.setAttribute("aria-label", title);
    describe(pane);
  }

  function draw() {
    const ranked = byId("axes").value === "ranks", op = byId("colour").value;
    const uses = op ? (i) => opsOf[i].filter((name) => name === op).length : null;
    const most = op ? Math.max(...[...archs.keys()].map(uses)) : 0;
    for (const pane of visible()) {
      const yTitle = ranked ? "predicted rank (1 = best)" : pane.run.seeds ? "minus mean rank" : "score (higher is better)";
      pane.at = drawPlot(pane.plot, pane.shown, {
        ranked, xs: ranked ? trueRanks : truth, ys: ranked ? pane.ranks : pane.run.scores, yTitle,
        best: pane.best, pick: pane.pick, count, uses, most,
      });
    }
    legend(op, most);
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
      for (let k = 0; k <= most; k++) ramp.append(make("span", { style: `--c: ${rampColour(k, most)}` }, k));
      items.push(make("li", {}, make("div", {}, `uses of ${op}`, ramp)));
    }
    byId("legend").replaceChildren(...items);
  }

  const pairs = (list) => {
    const dl = make("dl");
    for (const [name, value] of list) dl.append(make("dt", {}, name), make("dd", {}, value));
    return dl;
  };

  function describe({ run, ranks, shown, pick, best, facts }) {
    const tied = [...archs.keys()].filter((i) => run.scores[i] === run.scores[pick]).length;
    facts.replaceChildren(make("h3", {}, named(run)), pairs([
      [run.seeds ? "Kendall τ of the mean ranks" : run.seed === null ? "Kendall τ of the score" : "Kendall τ of the run", run.tau === null ? "–" : number(run.tau, 3)],
      ["Architectures shown", number(shown.length)],
      [tied > 1 ? `Pick (one of ${tied} that tie): true rank` : "Pick: true rank", whole(trueRanks[pick])],
      ["Pick: true accuracy", `${number(truth[pick], 2)} %`],
      ["Truly best: predicted rank", whole(ranks[best])],
      ["Truly best: true accuracy", `${number(truth[best], 2)} %`],
    ]));
  }

  /** What a run says of an architecture. */
  function said({ run, ranks }, i) {
    const off = trueRanks[i] - ranks[i];
    const moved = off ? `${off > 0 ? "▲" : "▼"} ${whole(Math.abs(off))} places too ${off > 0 ? "high" : "low"}` : "in its place";
    const score = run.seeds ? [] : [["Score", String(run.scores[i]).replace("-", "−")]];
    return [["Predicted rank", `${whole(ranks[i])} of ${number(count)}`], ["Ranked", moved], ...score];
  }

  /** Show what is known of an architecture beside its point in a pane, and ring it in the other. */
  function show(i, pane = visible().find((one) => one.at.has(i)), aloud = false) {
    active = i;
    for (const one of panes) delete one.plot.dataset.active;
    pane.plot.dataset.active = i;
    const list = [["True rank", `${whole(trueRanks[i])} of ${number(count)}`], ["True accuracy", `${number(truth[i], 2)} %`]];
    const both = visible(), parts = both.map((one) => pairs(said(one, i)));
    const blocks = both.length > 1 ? both.flatMap((one, k) => [make("h4", {}, named(one.run)), parts[k]]) : parts;
    tip.replaceChildren(spelled(archs[i]), ...cells[i].map((graph) => drawCell(archs[i], graph)), pairs(list), ...blocks);
    for (const one of both) {
      one.ring.hidden = !one.at.has(i);
      if (one.at.has(i)) Object.assign(one.ring.style, { left: `${one.at.get(i).x}px`, top: `${one.at.get(i).y}px` });
    }
    tip.hidden = false;
    place(pane, pane.at.get(i));
    if (aloud) {
      const words = both.flatMap((one) => said(one, i)).map((pair) => pair.join(" "));
      byId("said").textContent = [archs[i], ...list.map((pair) => pair.join(" ")), ...words].join(", ");
    }
    if (pinned) remember("disorder", { arch: archs[i] });
  }

  /** The tooltip beside a point, on the side that has room, and within the window's width. */
  function place({ plot }, { x, y }) {
    plot.parentElement.append(tip);
    const box = plot.getBoundingClientRect(), room = document.documentElement.clientWidth - box.left - 8;
    let left = x + 16;
    if (left + tip.offsetWidth > room) left = x - 16 - tip.offsetWidth;
    left = Math.max(8 - box.left, Math.min(left, room - tip.offsetWidth));
    const lowest = Math.max(plot.clientHeight, innerHeight - box.top) - tip.offsetHeight - 8;
    const highest = Math.max(0, 8 - box.top);
    const top = Math.max(Math.min(highest, plot.clientHeight), Math.min(y - tip.offsetHeight / 2, lowest));
    Object.assign(tip.style, { left: `${left}px`, top: `${top}px` });
  }

  function hide() {
    if (pinned) remember("disorder", { arch: "" });
    active = -1;
    pinned = "";
    tip.hidden = true;
    for (const { plot, ring } of panes) {
      delete plot.dataset.active;
      ring.hidden = true;
    }
  }

  function nearest({ plot, at }, event, reach) {
    const box = plot.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let found = -1, least = reach ** 2;
    for (const [i, point] of at) {
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) [found, least] = [i, distance];
    }
    return found;
  }

  for (const pane of panes) {
    const { plot } = pane;
    plot.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || pinned === "click") return;
      const i = nearest(pane, event, 14);
      if (i < 0) return pinned || hide();
      pinned = "";
      if (i !== active) show(i, pane);
    });
    plot.addEventListener("pointerleave", () => { if (!pinned) hide(); });
    plot.addEventListener("pointerdown", (event) => {
      const i = nearest(pane, event, event.pointerType === "touch" ? 30 : 14);
      if (i < 0) return hide();
      pinned = "click";
      show(i, pane);
    });
    plot.addEventListener("focus", () => {
      if (!plot.matches(":focus-visible") || active >= 0) return;
      show(pane.byScore.at(-1), pane, true);
      pinned = "key";
    });
    plot.addEventListener("blur", () => { if (pinned === "key") hide(); });
    plot.addEventListener("keydown", (event) => {
      const { byTrue, byScore } = pane;
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
      pinned = "key";
      show(next, pane, true);
    });
    new ResizeObserver(() => { draw(); if (pane.at.has(active)) show(active, pane); }).observe(plot);
  }
  document.addEventListener("pointerdown", (event) => { if (!byId("scatter").contains(event.target)) hide(); });

  // ---- choices and the address -----------------------------------------------------------------------------------

  const controls = { run: "run", beside: "run-2", axes: "axes", part: "part", colour: "colour" };
  for (const [key, id] of Object.entries(controls)) {
    byId(id).addEventListener("change", () => {
      remember("disorder", { [key]: byId(id).value });
      update();
    });
  }

  /** Choose what the address says, where the page has it; a setting's label stands for the mean over its seeds. */
  function restore() {
    const { values } = addressed();
    for (const [key, id] of Object.entries(controls)) {
      const wanted = values.get(key), run = key === "run" || key === "beside";
      const found = run ? choices.find((one) => one.hash === wanted || one.label === wanted)?.hash : wanted;
      if (found && [...byId(id).options].some((option) => option.value === found)) byId(id).value = found;
    }
    update();
    const i = archs.indexOf(values.get("arch"));
    if (visible().some((pane) => pane.at.has(i))) {
      pinned = "click";
      show(i);
    }
  }

  dark.addEventListener("change", draw);
  addEventListener("hashchange", () => { restore(); follow(); });
  restore();
}
follow();
