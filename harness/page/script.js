// SPDX-License-Identifier: Apache-2.0
// What a page can do with scripts on: sort tables, choose variants, read values off plots. Without scripts nothing is missing.
(() => {
  const all = (sel, of = document) => [...of.querySelectorAll(sel)];
  // A number in a cell: "x 2.1", "x 1/61", "+3.4 %", "1.95 [1.9, 2.0]", "132,649"; texts sort behind.
  const number = (text) => {
    const m = text.replace(/(\d),(?=\d{3})/g, "$1").match(/^(?:x |at least |[^\d+\-.]*?)?([+\-]?[\d.]+(?:e[+\-]?\d+)?)(\/([\d.]+))?( ?%| points)?/);
    if (!m || m[1] === "-" || m[1] === ".") return NaN;
    const v = m[3] ? m[1] / m[3] : +m[1];
    return text.startsWith("x ") ? Math.log(v) : m[4] && /^[+\-]/.test(text) ? Math.log1p(Math.max(v, -99.999) / 100) : v;
  };
  for (const table of all("table.sort")) {
    const body = table.tBodies[0];
    all("thead th", table).forEach((th, i) => {
      let way = 1;
      th.classList.add("sorts");
      th.title = "sort by this column";
      th.tabIndex = 0;
      th.addEventListener("keydown", (e) => {
        if (e.key !== "Enter" && e.key !== " ") return;
        e.preventDefault();
        th.click();
      });
      th.addEventListener("click", () => {
        const key = (tr) => tr.cells[i] ? tr.cells[i].textContent.trim() : "";
        const rows = [...body.rows].sort((a, b) => {
          const x = number(key(a)), y = number(key(b));
          if (i > 0 && (!isNaN(x) || !isNaN(y))) return isNaN(x) ? 1 : isNaN(y) ? -1 : way * (x - y);
          return way * key(a).localeCompare(key(b));
        });
        all("th", th.parentNode).forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
        way = -way;
        body.append(...rows);
      });
    });
  }
  const chips = document.querySelector(".chips");
  if (chips) {
    const rows = all("tr[data-variant]"), base = (r) => r.dataset.variant.replace(/\+aa$/, "");
    const names = [...new Set(rows.map(base))];
    const show = () => {
      const on = new Set(all("input:checked", chips).map((b) => b.value));
      rows.forEach((r) => { r.hidden = on.size > 0 && !on.has(base(r)) && !r.classList.contains("base"); }); // effects are against the baseline
    };
    names.forEach((name) => {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.value = name;
      box.addEventListener("change", show);
      label.append(box, " " + name);
      chips.append(label);
    });
    chips.hidden = names.length < 2;
  }
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  for (const hit of all(".hit")) {
    const title = hit.querySelector("title"), text = title ? title.textContent : "";
    if (title) title.remove();
    hit.addEventListener("pointerenter", (e) => {
      tip.textContent = text;
      tip.hidden = false;
      tip.style.left = Math.max(4, Math.min(e.pageX + 12, scrollX + innerWidth - tip.offsetWidth - 8)) + "px";
      tip.style.top = e.pageY + 14 + "px";
    });
    hit.addEventListener("pointerleave", () => { tip.hidden = true; });
  }
  const reveal = () => {
    const at = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let e = at; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (at) at.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
