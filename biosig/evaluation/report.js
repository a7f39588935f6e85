"use strict";
// Tables are sorted by a button in each header: Tab reaches it, Enter or Space presses it. Without this script the
// tables are plain tables.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const given = [...body.rows];

  // What a row has in a column: a number, else text; null where the row has nothing, which comes last either way.
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell || (column > 0 && cell.colSpan > 1)) return null;
    const text = cell.textContent.trim();
    if (text === "" || text === "-") return null;
    const number = column > 0 ? parseFloat(text) : NaN;
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : String(a).localeCompare(String(b), undefined, { numeric: true });

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = given.map((row) => [key(row, column), row]);
      keyed.sort(([a], [b]) =>
        a === null || b === null ? (a === null) - (b === null) : up ? compare(a, b) : compare(b, a));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
