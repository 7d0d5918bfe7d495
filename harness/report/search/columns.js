// Columns of the table of final accuracies that are shown when they are asked for; the address keeps the choice.

byId("columns").checked = addressed().values.get("columns") === "all";
byId("columns").addEventListener("change", () => {
  remember("final", { columns: byId("columns").checked ? "all" : "" });
});
follow();
