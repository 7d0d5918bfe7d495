// Tables that are sorted by a click on a heading; the address keeps the order of the table with the id "table".

for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th[aria-sort]")];
  const sort = (column, order) => {
    for (const other of heads) other.setAttribute("aria-sort", other === heads[column] ? order : "none");
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row.cells[column].dataset.v, row]);
    rows.sort(([a], [b]) => {
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // no value: last
      return sign * (Number.isNaN(a - b) ? a.localeCompare(b, "en") : a - b);
    });
    body.append(...rows.map(([, row]) => row));
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const now = head.getAttribute("aria-sort");
    const order = now === "none" ? head.dataset.first : now === "ascending" ? "descending" : "ascending";
    sort(column, order);
    if (table.id === "table") remember("effects", { sort: `${column} ${order}` });
  }));
  const [column, order] = (addressed().values.get("sort") ?? "").split(" ");
  if (table.id === "table" && heads[column] && ["ascending", "descending"].includes(order)) sort(Number(column), order);
}
