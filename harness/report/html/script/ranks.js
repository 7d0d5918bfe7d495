// Ranks, means of ranks, Kendall's tau, and marks of an axis.

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

/** Kendall's tau-b of two lists, null where one of them is all ties. */
function kendall(x, y) {
  let excess = 0, inX = 0, inY = 0;
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      const a = Math.sign(x[i] - x[j]), b = Math.sign(y[i] - y[j]);
      excess += a * b;
      inX += a * a;
      inY += b * b;
    }
  }
  return inX && inY ? excess / Math.sqrt(inX) / Math.sqrt(inY) : null;
}

/** A ranking that stands for all seeds of a setting: minus the mean of their ranks as its score. */
function meanRun(label, runs) {
  const ranked = runs.map((run) => ranksOf(run.scores));
  const scores = ranked[0].map((_, i) => -ranked.reduce((sum, ranks) => sum + ranks[i], 0) / ranked.length);
  return { label, seeds: runs.length, hash: label, tau: kendall(scores, truth), scores };
}

/** Round numbers across a range, about `count` of them. */
function ticks(low, high, count = 5) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}
