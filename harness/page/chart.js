// SPDX-License-Identifier: Apache-2.0
// Plots of lines and of times as charts of uPlot: values under the pointer, and a part enlarged. A chart takes the place of its drawing when
// that comes into view; prints keep the drawing.
(() => {
  const parse = (element) => (element ? JSON.parse(element.textContent) : []);
  const commits = parse(document.querySelector(".commits"));
  const style = getComputedStyle(document.documentElement);
  const colour = (c) => style.getPropertyValue(c.startsWith("--") ? c : "--c" + c).trim() || "#" + c;
  const font = (px, weight = "") => `${weight} ${px}px "Liberation Sans", Arimo, Arial, Helvetica, sans-serif`;
  const pen = document.createElement("canvas").getContext("2d");
  const widest = (texts, px) => {
    pen.font = font(px);
    return Math.max(0, ...texts.map((t) => pen.measureText(t || "").width));
  };

  // Numbers as the tables write them (package unit).
  const commas = (text) => text.replace(/\B(?=(\d{3})+$)/g, ",");
  const fixed = (v, places) => { // a tie goes to the even digit, as in Go
    const text = v.toFixed(places), tie = /^50*$/.test(v.toFixed(places + 60).split(".")[1].slice(places));
    return tie && /[13579]$/.test(text) ? (v - (Math.sign(v) * 0.25) / 10 ** places).toFixed(places) : text;
  };
  const digits = (v) => {
    const a = Math.abs(v);
    if (a === 0) return "0";
    if (a >= 1e15 || a < 0.001) return String(+v.toPrecision(3));
    return a >= 1e4 ? commas(fixed(v, 0)) : fixed(v, a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : 3);
  };
  const short = (v) => (Number.isInteger(v) ? commas(String(v)) : String(+v.toPrecision(6)));
  const inTime = (sec, write = (v) => +v.toPrecision(3)) => {
    const [from, name] = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]].find(([f]) => sec * (1 + 1e-9) >= f || f === 1e-9);
    return `${write(sec / from)} ${name}`;
  };

  // Ticks at 1, 2 and 5 times powers of ten, as those of the drawings.
  const even = (lo, hi, most) => {
    const power = 10 ** Math.floor(Math.log10((hi - lo) / most));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= (hi - lo) / most);
    return Array.from({ length: Math.floor(hi / step + 1e-9) - Math.ceil(lo / step - 1e-9) + 1 }, (_, i) => +((Math.ceil(lo / step - 1e-9) + i) * step).toPrecision(12));
  };
  const decades = (lo, hi, most) => {
    const steps = Math.log10(hi / lo) > 2.5 || most < 5 ? [1] : [1, 2, 5], out = [];
    for (let d = 10 ** Math.floor(Math.log10(lo) + 1e-9); d <= hi * (1 + 1e-9); d *= 10) out.push(...steps.map((s) => +(s * d).toPrecision(12)));
    const inside = out.filter((v) => v >= lo * (1 - 1e-9) && v <= hi * (1 + 1e-9));
    return inside.length > 1 ? inside : even(lo, hi, most);
  };
  // apart leaves out the ticks whose texts would touch the text before.
  const apart = (u, scale, splits, texts, px) => {
    let free = -Infinity;
    return splits.map((v, i) => {
      const at = u.valToPos(v, scale), half = widest([texts[i]], px) / 2;
      if (at - half < free) return "";
      free = at + half + 4;
      return texts[i];
    });
  };

  function axisOf(a, scale, upright, grid, px) {
    const text = (v) => (a.names ? a.names[v] : a.commits ? (commits[v] || [""])[0].slice(0, 7) : a.time ? inTime(v * a.time) : short(v)) ?? "";
    const whole = (lo, hi, step) => Array.from({ length: Math.floor(hi / step) - Math.ceil(lo / step) + 1 }, (_, i) => (Math.ceil(lo / step) + i) * step);
    return {
      scale, side: upright ? 3 : 2, label: a.label, labelSize: 18, labelFont: font(px + 1), font: font(px), gap: 4,
      size: upright ? (u, texts) => Math.max(a.least || 0, 10 + widest(texts || [], px)) : 24,
      stroke: () => colour("--ink"), ticks: { size: 4, width: 1, stroke: () => colour("--faint"), filter: (u, splits) => splits },
      grid: { show: grid, width: 1, stroke: () => colour("--line") }, border: { show: true, width: 1, stroke: () => colour("--faint") },
      filter: (u, splits) => splits, space: 1,
      splits: (u, i, lo, hi) => {
        const most = Math.max(2, (upright ? u.height / 40 : u.width / 70));
        return a.at ? a.at.filter((v) => v >= lo && v <= hi) : a.names || a.commits ? whole(lo, hi, a.names ? 1 : Math.ceil((hi - lo + 1) / (2 * most / 3))) : a.log ? decades(lo, hi, most) : even(lo, hi, most);
      },
      values: (u, splits) => (upright ? splits.map(text) : apart(u, scale, splits, splits.map(text), px)),
    };
  }

  const prox = 30; // how far from a line the pointer may be, pixels
  const tip = document.createElement("div");
  tip.className = "tip values";
  tip.hidden = true;
  document.body.append(tip);
  let teller; // the chart that the tip is of
  const hush = (u) => { if (teller === u) tip.hidden = true; };
  const node = (name, text, ...inside) => {
    const e = document.createElement(name);
    if (text) e.textContent = text;
    e.append(...inside);
    return e;
  };
  const say = (u, head, rows, more) => {
    const table = node("table");
    for (const r of rows) {
      const swatch = node("td", "■");
      swatch.style.color = colour(r.colour);
      const tr = node("tr", "", swatch, node("td", r.name), node("td", r.value), node("td", r.beside));
      if (r.near) tr.className = "near";
      table.append(tr);
    }
    tip.replaceChildren(node("p", head), table, ...(more > 0 ? [node("p", `and ${more} more`)] : []));
    tip.hidden = false;
    teller = u;
    const over = u.over.getBoundingClientRect(), x = over.left + u.cursor.left, y = over.top + u.cursor.top;
    const narrow = innerWidth < 600, left = x + 16 + tip.offsetWidth < innerWidth ? x + 16 : x - 16 - tip.offsetWidth;
    tip.style.left = scrollX + Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 8)) + "px";
    const top = narrow ? over.bottom + 40 : y - tip.offsetHeight / 2; // a narrow page has no room beside the lines
    tip.style.top = scrollY + Math.max(4, Math.min(top, innerHeight - tip.offsetHeight - 4)) + "px";
  };

  // linesOf is the part of a chart that draws lines and reads their values.
  function linesOf(c, u) {
    const most = innerWidth < 600 ? 6 : 9; // rows of a tip
    const [what, ...of] = (c.x.label || "").split(", "); // "buffer, BDP"
    const head = (v) => (c.x.commits ? (commits[v] || []).join(" ") : c.turned ? `${short(+v.toPrecision(4))} % are not above` : c.x.unit ? `at ${short(+v.toPrecision(4))} ${c.x.unit}` : `${what}: ${[short(v), ...of].join(" ")}`);
    let near = null;
    const read = () => {
      const u0 = u();
      near = null;
      hush(u0);
      if (u0.cursor.idx == null || u0.cursor.left < 0) return;
      const key = u0.data[0][u0.cursor.idx], across = c.turned ? u0.cursor.left : u0.cursor.top;
      let rows = c.lines.flatMap((l, i) => {
        const at = u0.cursor.idxs[i + 1], v = at == null ? null : u0.data[i + 1][at];
        if (v == null || (l.low ? u0.data[0][at] !== key : key < l.x[0] || key > l.x[l.x.length - 1])) return [];
        const k = l.x.indexOf(u0.data[0][at]), sure = l.low && l.low[k] != null;
        const beside = sure ? `[${digits(l.low[k])}, ${digits(l.high[k])}]` : "";
        return [{ name: l.name, colour: l.colour, value: c.y.time && !l.low ? inTime(v * c.y.time, digits) : `${digits(v)} ${c.y.unit}`, beside, v, n: l.n && `n = ${l.n[k]}`, off: Math.abs(u0.valToPos(v, "y") - across), to: l.to && (l.to[k] || l.to[0]) }];
      });
      const all = rows.length;
      rows = rows.sort((p, q) => p.off - q.off).slice(0, most);
      if (!rows.length) return;
      if (rows[0].off <= prox) near = rows[0];
      if (near && all > 1) near.near = true;
      u0.over.style.cursor = near && near.to ? "pointer" : "";
      const alike = rows.every((r) => r.n === rows[0].n), n = rows[0].n;
      if (!alike) rows.forEach((r) => { r.beside = [r.beside, r.n].filter(Boolean).join(", "); });
      say(u0, head(key) + (alike && n ? `, ${n}` : ""), rows.sort((p, q) => (c.turned ? p.v - q.v : q.v - p.v)), all - rows.length);
    };
    const intervals = (u0, i) => {
      const l = c.lines[i - 1], ctx = u0.ctx, d = 3 * devicePixelRatio;
      if (!l.low) return;
      ctx.save();
      ctx.globalAlpha = 0.6 * (u0.series[i].alpha ?? 1);
      ctx.strokeStyle = colour(l.colour);
      ctx.lineWidth = 1.2 * devicePixelRatio;
      ctx.beginPath();
      l.x.forEach((v, k) => {
        if (l.low[k] == null || v < u0.scales.x.min || v > u0.scales.x.max) return;
        const x = u0.valToPos(v, "x", true), lo = u0.valToPos(l.low[k], "y", true), hi = u0.valToPos(l.high[k], "y", true);
        for (const [x0, y0, x1, y1] of [[x, lo, x, hi], [x - d, lo, x + d, lo], [x - d, hi, x + d, hi]]) {
          ctx.moveTo(x0, y0);
          ctx.lineTo(x1, y1);
        }
      });
      ctx.stroke();
      ctx.restore();
    };
    const names = (u0) => c.lines.map((l, i) => {
      let k = l.x.length - 1;
      while (k > 0 && l.x[k] > u0.scales.x.max) k--;
      return { text: l.name, colour: l.colour, dash: l.dash, alpha: u0.series[i + 1].alpha ?? 1, at: c.turned ? l.y[l.y.length >> 1] : u0.valToPos(l.y[k], "y", true) };
    });
    const series = [{}, ...c.lines.map((l) => ({
      stroke: () => colour(l.colour), width: l.low ? 1.8 : 1.6, dash: l.dash, scale: "y",
      points: { show: !!l.low || (c.x.commits && l.x.length < 120), size: l.low ? 6 : 5, fill: () => colour(l.colour) },
    }))];
    return { read, names, intervals, series, data: uPlot.join(c.lines.map((l) => [l.x, l.y])), to: () => near && near.to };
  }

  // stripsOf is the part of a chart that draws when tasks ran.
  function stripsOf(c, u) {
    const draw = (u0) => {
      const ctx = u0.ctx;
      for (const s of c.strips) {
        const top = u0.valToPos(s.row + 0.38, "y", true), tall = u0.valToPos(s.row - 0.38, "y", true) - top;
        ctx.fillStyle = colour(s.colour);
        s.start.forEach((v, k) => {
          if (v > u0.scales.x.max || v + s.long[k] < u0.scales.x.min) return;
          const x = u0.valToPos(v, "x", true);
          ctx.fillRect(x, top, Math.max(devicePixelRatio / 2, u0.valToPos(v + s.long[k], "x", true) - x), tall);
        });
      }
    };
    const read = () => {
      const u0 = u();
      hush(u0);
      if (u0.cursor.left < 0) return;
      const x = u0.posToVal(u0.cursor.left, "x"), row = Math.round(u0.posToVal(u0.cursor.top, "y")), reach = u0.posToVal(u0.cursor.left + 1, "x") - x;
      const hits = c.strips.filter((s) => s.row === row).flatMap((s) => s.start.flatMap((v, k) => {
        const off = Math.max(v - x, x - v - s.long[k], 0);
        return off <= reach ? [{ off, name: s.name, colour: s.colour, value: `${digits(s.long[k])} ms`, beside: `from ${v.toFixed(3)} ms` }] : [];
      }));
      const best = hits.sort((p, q) => p.off - q.off)[0];
      if (best) say(u0, c.y.names[row], [best], 0);
    };
    const keys = new Map(c.strips.map((s) => [s.name, s.colour]));
    const names = () => [...keys].sort(([a], [b]) => (a === "other") - (b === "other") || (a < b ? -1 : 1)).map(([text, of]) => ({ text, colour: of, alpha: 1, area: true }));
    return { read, names, draw, series: [{}, { scale: "y", paths: () => null, points: { show: false } }], data: [[c.x.min, c.x.max], [null, null]], to: () => "" };
  }

  // writeNames writes the names of lines at the right edge, moved apart.
  function writeNames(u, names, loose, px, room) {
    const r = devicePixelRatio, ctx = u.ctx, gap = Math.min((px + 2) * r, u.bbox.height / names.length), right = u.bbox.left + u.bbox.width;
    const list = names.filter((n) => n.text).sort((a, b) => (a.at ?? 0) - (b.at ?? 0)), top = u.bbox.top + gap / 2, low = u.bbox.top + u.bbox.height;
    list.forEach((n, i) => { n.y = loose ? top + i * gap : Math.max(n.at, i ? list[i - 1].y + gap : top); });
    for (let i = list.length - 1, most = low; i >= 0; i--, most -= gap) list[i].y = Math.min(list[i].y, most);
    ctx.save();
    ctx.font = font(px * r);
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const n of list) {
      ctx.globalAlpha = n.alpha;
      ctx.strokeStyle = colour(n.colour);
      ctx.lineWidth = (n.area ? 9 : 2) * r;
      ctx.setLineDash((n.dash || []).map((d) => d * r));
      ctx.beginPath();
      ctx.moveTo(right + 4 * r, loose ? n.y : n.at);
      ctx.lineTo(right + 16 * r, n.y);
      ctx.stroke();
      ctx.fillStyle = colour("--ink");
      ctx.fillText(n.text, right + 20 * r, n.y, (room - 22) * r);
    }
    ctx.restore();
  }

  // padded is an axis' range with room for points at its ends.
  const padded = (a) => {
    const by = a.log ? (a.max / a.min) ** 0.02 : (a.max - a.min) * 0.02;
    return a.log ? [a.min / by, a.max * by] : [a.min - by, a.max + by];
  };

  // nearest moves the pointer to the nearest of the values that were measured.
  const nearest = (u, left, top) => {
    if (left < 0) return [left, top];
    const places = u.data[0].map((v) => u.valToPos(v, "x"));
    return [places.reduce((best, at) => (Math.abs(at - left) < Math.abs(best - left) ? at : best), places[0]), top];
  };

  function show(figure) {
    const c = parse(figure.querySelector(".chart-data"));
    for (const l of c.lines || []) l.x ??= l.y.map((_, i) => i);
    const all = (sel) => [...figure.querySelectorAll(sel)];
    const tall = Math.max(...all(":scope > svg").map((svg) => svg.getBoundingClientRect().height));
    const box = node("div");
    box.className = "chart";
    if (c.title) {
      const hint = node("span", c.x.at ? "" : "; drag for a closer look, double-click for the whole");
      hint.className = "hint";
      box.append(node("p", "", node("strong", c.title), ...c.notes.flatMap((n) => [node("br"), n]), hint));
    }
    figure.append(box);
    figure.classList.add("on");
    const width = () => box.clientWidth, px = width() < 600 ? 10 : 11.5, least = c.x.commits ? 120 : c.strips ? 60 + 26 * c.y.names.length : 260;
    const range = { x: c.x.at ? padded(c.x) : [c.x.min, c.x.max], y: [c.y.min, c.y.max] }, whole = { ...range };
    const flat = c.turned ? "y" : "x"; // the scale that lies
    if (c.x.commits) c.y.least = 56; // charts one above the other begin at one place
    let u, dragged;
    const part = (c.strips ? stripsOf : linesOf)(c, () => u);
    const texts = (c.strips || c.lines).map((l) => l.name || "");
    const room = Math.min(26 + widest(texts, px), 0.34 * width());
    const zoom = (to) => {
      range[flat] = to;
      u.setScale(flat, { min: to[0], max: to[1] });
    };
    u = new uPlot({
      width: width(), height: Math.max(least, tall - box.offsetHeight), legend: { show: false }, padding: [8, texts.some(Boolean) ? room : 14, 0, 0],
      scales: {
        x: { time: false, distr: c.x.log ? 3 : 1, ori: c.turned ? 1 : 0, range: () => range.x },
        y: { distr: c.y.log ? 3 : 1, ori: c.turned ? 0 : 1, range: () => range.y },
      },
      axes: [axisOf(c.x, "x", c.turned, c.turned || !!c.strips, px), axisOf(c.y, "y", !c.turned, !c.strips, px)],
      series: part.series,
      focus: { alpha: 0.25 },
      cursor: {
        drag: { x: !c.turned, y: !!c.turned, setScale: false, dist: 6, click: () => {} }, focus: { prox: c.lines && c.lines.length > 1 ? prox : -1 }, points: { size: 8 }, y: false,
        ...(c.x.at || c.x.commits ? { move: nearest } : {}),
        bind: { dblclick: () => () => zoom(whole[flat]) },
      },
      hooks: {
        setCursor: [part.read],
        setSelect: [(v) => {
          const { left, width: wide } = v.select;
          dragged = true;
          hush(v);
          if (wide < 4) return;
          zoom([v.posToVal(left, flat), v.posToVal(left + wide, flat)]);
          v.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        drawClear: [(v) => {
          const ctx = v.ctx;
          ctx.save();
          ctx.lineWidth = devicePixelRatio;
          if (c.x.commits) ctx.setLineDash([4, 3].map((d) => d * devicePixelRatio));
          for (const m of c.marks || []) {
            ctx.strokeStyle = colour(m.colour);
            for (const x of m.x.filter((x) => x >= v.scales.x.min && x <= v.scales.x.max)) {
              ctx.beginPath();
              ctx.moveTo(v.valToPos(x, "x", true), v.bbox.top);
              ctx.lineTo(v.valToPos(x, "x", true), v.bbox.top + v.bbox.height);
              ctx.stroke();
            }
          }
          ctx.restore();
        }],
        drawSeries: [(v, i) => {
          const ctx = v.ctx;
          ctx.save();
          ctx.beginPath();
          ctx.rect(v.bbox.left, v.bbox.top, v.bbox.width, v.bbox.height);
          ctx.clip();
          if (part.draw) part.draw(v);
          else part.intervals(v, i);
          ctx.restore();
        }],
        draw: [(v) => { if (texts.some(Boolean)) writeNames(v, part.names(v), c.turned || !!c.strips, px, room); }],
      },
    }, part.data, box);
    u.over.addEventListener("mousedown", () => { dragged = false; });
    u.over.addEventListener("click", () => { if (part.to() && !dragged) location.href = (c.page || "") + "#" + part.to(); });
    u.over.addEventListener("mouseleave", () => hush(u));
    // Keys move along the values.
    u.over.tabIndex = 0;
    u.over.setAttribute("role", "img");
    u.over.setAttribute("aria-label", `${c.title || "series"}: arrow keys read values`);
    u.over.addEventListener("keydown", (e) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[e.key];
      if (!by || c.strips) return;
      e.preventDefault();
      const keys = u.data[0], at = Math.max(0, Math.min(keys.length - 1, (u.cursor.idx ?? (by > 0 ? -1 : keys.length)) + by)), pos = u.valToPos(keys[at], "x");
      u.setCursor(c.turned ? { left: u.over.clientWidth / 2, top: pos } : { left: pos, top: u.over.clientHeight / 2 });
    });
    u.over.addEventListener("blur", () => hush(u));
    new ResizeObserver(() => { if (width() && width() !== u.width) u.setSize({ width: width(), height: u.height }); }).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => u.redraw(false));
  }

  const seen = new IntersectionObserver((entries) => {
    for (const e of entries) {
      if (!e.isIntersecting) continue;
      seen.unobserve(e.target);
      show(e.target);
    }
  }, { rootMargin: "200px" });
  document.querySelectorAll(".live").forEach((figure) => seen.observe(figure));
})();
