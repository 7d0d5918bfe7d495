// Tables: sort, filter, fold columns.

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

{
  const rows = [...byId("table").querySelectorAll("tbody tr")];
  const search = (row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent).join(" ").toLowerCase();
  const texts = new Map(rows.map((row) => [row, `${search(row)} ${row.dataset.states ?? ""}`]));
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
    byId("none").hidden = shown > 0;
  };
  const keep = () => {
    filter();
    remember("effects", { filter: byId("filter").value, family: byId("family").value });
  };
  const { values } = addressed();
  if (values.has("filter")) byId("filter").value = values.get("filter");
  if ([...byId("family").options].some((option) => option.value === values.get("family"))) {
    byId("family").value = values.get("family");
  }
  byId("filter").addEventListener("input", keep);
  byId("family").addEventListener("change", keep);
  byId("columns").checked = values.get("columns") === "all";
  byId("columns").addEventListener("change", () => {
    remember("effects", { columns: byId("columns").checked ? "all" : "" });
  });
  filter(); // browsers keep what was typed before a reload
}
