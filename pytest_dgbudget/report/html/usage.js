// Sorts and filters tables, and switches the theme. Without it, the page shows the same.
"use strict";

(() => {
  const FEW = 200; // rows, as usage.css has it
  const collator = new Intl.Collator("en", { numeric: true });

  // The theme is remembered where the browser has storage for this page, which it has not in a sandbox.
  const stored = {
    get() {
      try {
        return localStorage.getItem("dgbudget-theme");
      } catch {
        return null;
      }
    },
    set(theme) {
      try {
        localStorage.setItem("dgbudget-theme", theme);
      } catch {
        // The next page begins with the system's theme.
      }
    },
  };

  function offerTheme(button) {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    const name = () => {
      button.textContent = isDark() ? "Light theme" : "Dark theme";
    };
    const before = stored.get();
    if (before === "dark" || before === "light") root.dataset.theme = before;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      stored.set(root.dataset.theme);
      name();
    });
    system.addEventListener("change", name);
    button.hidden = false;
    name();
  }

  // Numbers where a column has any, else text; what is unknown comes last in either direction.
  function keysOf(rows, column) {
    const isNumeric = rows.some((row) => row.cells[column].dataset.value !== undefined);
    return new Map(
      rows.map((row) => {
        const cell = row.cells[column];
        if (!isNumeric) return [row, cell.textContent.trim() || null];
        return [row, cell.dataset.value === undefined ? null : Number(cell.dataset.value)];
      }),
    );
  }

  function sort(table, column, sign) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const keys = keysOf(rows, column);
    const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
    rows.sort((one, other) => {
      const a = keys.get(one);
      const b = keys.get(other);
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * compare(a, b);
    });
    body.append(...rows);
  }

  function makeSortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    for (const [column, head] of heads.entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("number") ? "descending" : "ascending";
        const second = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? second : first;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        sort(table, column, order === "ascending" ? 1 : -1);
      });
    }
  }

  // Of thousands of rows some are shown until all are asked for: to lay out all of them whenever they are sorted takes long.
  function shorten(table) {
    const rows = table.tBodies[0].rows.length;
    if (rows <= FEW) return;
    const region = table.parentElement;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "all";
    button.textContent = `Show all ${rows.toLocaleString("en")}, not the first ${FEW} alone`;
    button.addEventListener("click", () => {
      showAll(table);
      region.focus();
    });
    region.classList.add("short");
    region.after(button);
  }

  function showAll(table) {
    table.parentElement.classList.remove("short");
  }

  function makeFilter(form) {
    const rows = [...document.getElementById(form.dataset.filters).tBodies[0].rows];
    const names = new Map(rows.map((row) => [row, row.cells[0].textContent.toLowerCase()]));
    const find = form.querySelector("input[type=search]");
    const boxes = [...form.querySelectorAll("input[type=checkbox]")];
    const update = () => {
      const wanted = find.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits = boxes.every((box) => !box.checked || row.dataset[box.name] !== undefined);
        row.hidden = !(fits && names.get(row).includes(wanted));
        shown += row.hidden ? 0 : 1;
      }
      form.querySelector("output").textContent = `${shown} of ${rows.length} shown`;
    };
    form.addEventListener("input", update);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    update();
  }

  // What is drawn leads to its row in the table of sessions.
  function leadToRows(drawing) {
    drawing.addEventListener("click", (event) => {
      const session = event.target.closest("[data-session]");
      const row = session && document.getElementById(`session-${session.dataset.session}`);
      if (!row) return;
      row.closest("details").open = true;
      showAll(row.closest("table"));
      location.hash = row.id;
      row.scrollIntoView({ block: "center" });
    });
  }

  function openForPrint() {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  }

  offerTheme(document.getElementById("theme"));
  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies[0].rows.length > 3) makeSortable(table);
  }
  for (const table of document.querySelectorAll("details table")) shorten(table);
  for (const form of document.querySelectorAll("form[data-filters]")) makeFilter(form);
  for (const drawing of document.querySelectorAll("svg.timeline")) leadToRows(drawing);
  addEventListener("beforeprint", openForPrint);
})();
