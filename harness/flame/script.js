// Search and zoom of a flame graph. Without it the picture has titles.
(function () {
  var svg = document.documentElement, all = Array.from(svg.querySelectorAll("g.f")), width = 1260, left = 10;
  var found = svg.querySelector("#found"), reset = svg.querySelector("#reset"), search = svg.querySelector("#search"), wanted = "";
  all.forEach(function (g) {
    var r = g.querySelector("rect");
    g.at = { x: +r.getAttribute("x"), w: +r.getAttribute("width"), y: +r.getAttribute("y") };
    g.name = g.querySelector("title").textContent.split("\n")[0];
    g.addEventListener("click", function () { zoom(g); });
  });
  function place(g, x, w) {
    var r = g.querySelector("rect"), t = g.querySelector("text"), n = Math.floor((w - 6) / 6.7);
    g.style.display = w < 0.2 ? "none" : "";
    r.setAttribute("x", x);
    r.setAttribute("width", w);
    if (!t) {
      t = document.createElementNS(svg.namespaceURI, "text");
      t.setAttribute("y", g.at.y + 12);
      g.appendChild(t);
    }
    t.setAttribute("x", x + 3);
    t.textContent = n < 3 ? "" : g.name.length <= n ? g.name : g.name.slice(0, n - 1) + "…";
  }
  function zoom(to) {
    all.forEach(function (g) {
      var inside = g.at.x >= to.at.x - 0.01 && g.at.x + g.at.w <= to.at.x + to.at.w + 0.01 && g.at.y <= to.at.y;
      var below = g.at.y > to.at.y && g.at.x <= to.at.x + 0.01 && g.at.x + g.at.w >= to.at.x + to.at.w - 0.01;
      if (inside) place(g, left + (g.at.x - to.at.x) / to.at.w * width, g.at.w / to.at.w * width);
      else if (below) place(g, left, width);
      else g.style.display = "none";
      g.style.opacity = below && g !== to ? 0.5 : "";
    });
    reset.style.display = "";
  }
  function unzoom() {
    all.forEach(function (g) { place(g, g.at.x, g.at.w); g.style.opacity = ""; });
    reset.style.display = "none";
  }
  function find(text) {
    var hits = [], sum = 0, end = -1;
    wanted = text;
    all.forEach(function (g) {
      var hit = text && g.name.toLowerCase().indexOf(text.toLowerCase()) >= 0;
      g.querySelector("rect").style.fill = hit ? "#d733d7" : "";
      if (hit) hits.push(g.at);
    });
    hits.sort(function (a, b) { return a.x - b.x || b.w - a.w; });
    hits.forEach(function (h) { if (h.x >= end - 0.01) { sum += h.w; end = h.x + h.w; } });
    found.textContent = text ? text + ": " + (100 * sum / width).toFixed(1) + " % of the width" : "";
  }
  search.style.display = "";
  search.addEventListener("click", function () {
    var text = prompt("Part of a function's name (empty: none)", wanted);
    if (text !== null) find(text);
  });
  reset.addEventListener("click", unzoom);
})();
