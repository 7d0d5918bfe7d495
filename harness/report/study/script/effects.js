// The table of effects: filter, and columns that are shown when they are asked for.

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
