"use strict";
// Tables sort by a column when its heading is clicked; cells without a value come last.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th[aria-sort]")];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const now = head.getAttribute("aria-sort");
    const order = now === "none" ? head.dataset.first : now === "ascending" ? "descending" : "ascending";
    for (const other of heads) other.setAttribute("aria-sort", other === head ? order : "none");
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row.cells[column].dataset.v, row]);
    rows.sort(([a], [b]) => {
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // no value: last
      return sign * (Number.isNaN(a - b) ? a.localeCompare(b, "en") : a - b);
    });
    body.append(...rows.map(([, row]) => row));
  }));
}
