// What a reader with scripts has beside the page, which says everything without them. It loads and keeps nothing.
"use strict";
const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Copy buttons beside commands
for (const command of all(".command")) {
  const button = make("button", { type: "button", className: "copy", textContent: "Copy" });
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command); // a file opened from a disk may not have the clipboard
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  command.after(button);
}

// Filter and sort of the claims
const strips = all(".strip").map((list) => ({ list, rows: all("li", list) }));
const rows = strips.flatMap((strip) => strip.rows);
const badge = (row) => row.querySelector(".badge").textContent.trim();
const verdict = (row) => row.querySelector(".symbol").textContent + row.className;
const effect = (row) => Number(row.querySelector(".measured data")?.value ?? -Infinity);
const name = (row) => row.querySelector(".what a").textContent.trim();
const ORDERS = {
  "as listed": null,
  "by verdict": (a, b) => badge(a).localeCompare(badge(b)),
  "by effect": (a, b) => effect(b) - effect(a),
  "by name": (a, b) => name(a).localeCompare(name(b)),
};
if (rows.length > 1) {
  const words = make("input", { type: "search", autocomplete: "off" });
  const kind = make("select", {}, make("option", { value: "", textContent: "all" }));
  for (const [key, text] of new Map(rows.map((row) => [verdict(row), badge(row).replace(/ on .*/, "")]))) {
    kind.append(make("option", { value: key, textContent: text }));
  }
  const order = make("select", {}, ...Object.keys(ORDERS).map((key) => make("option", { textContent: key })));
  const found = make("span", { className: "found" });
  found.setAttribute("role", "status");
  const show = () => {
    for (const strip of strips) {
      const sorted = ORDERS[order.value] ? strip.rows.toSorted(ORDERS[order.value]) : strip.rows;
      strip.list.append(...sorted);
    }
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !text.includes(words.value.trim().toLowerCase()) || (kind.value && kind.value !== verdict(row));
    }
    for (const { list, rows: own } of strips) list.closest(".group").hidden = own.every((row) => row.hidden);
    const left = rows.filter((row) => !row.hidden).length;
    found.textContent = left < rows.length ? `${left} of ${rows.length} shown` : "";
  };
  for (const control of [words, kind, order]) control.addEventListener("input", show);
  const label = (text, control) => make("label", {}, text, control);
  document.querySelector(".key").after(make("div", { className: "tools" },
    label("Find ", words), label("Verdict ", kind), label("Sort ", order), found));
}

// Values of the seeds' dots, from the table below them: under the mouse, and with the arrow keys
const tip = make("div", { className: "tip", hidden: true });
tip.setAttribute("role", "status");
document.body.append(tip);
const hide = () => { tip.hidden = true; };
all(".dots").forEach((dots) => {
  const lines = all("tbody tr", dots.parentElement);
  all("svg.seeds", dots).forEach((drawing, arm) => {
    const marks = all("[data-i]", drawing).sort((a, b) => a.dataset.i - b.dataset.i);
    const tell = (mark) => {
      const cells = lines[mark.dataset.i].children;
      tip.textContent = `seed ${cells[0].textContent}: ${cells[Number(drawing.dataset.column) + 1].textContent}`;
      tip.hidden = false;
      const at = mark.getBoundingClientRect();
      tip.style.left = `${Math.min(Math.max(at.x - tip.offsetWidth / 2, 4), innerWidth - tip.offsetWidth - 4)}px`;
      tip.style.top = `${at.y - tip.offsetHeight - 6}px`;
    };
    for (const mark of marks) {
      mark.addEventListener("mouseenter", () => tell(mark));
      mark.addEventListener("mouseleave", hide);
    }
    let now = 0;
    drawing.dataset.column = arm;
    drawing.setAttribute("tabindex", "0");
    drawing.addEventListener("focus", () => { if (marks.length) tell(marks[now]); });
    drawing.addEventListener("blur", hide);
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || !marks.length) return;
      event.preventDefault();
      now = (now + step + marks.length) % marks.length;
      tell(marks[now]);
    });
  });
});
addEventListener("scroll", hide, { passive: true });
addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

// Where the reader is, in the navigation
const links = new Map(all(".bar a").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) links.get(target.id)?.setAttribute("aria-current", "true");
    else links.get(target.id)?.removeAttribute("aria-current");
  }
}, { rootMargin: "-30% 0px -65% 0px" });
for (const section of all("main > section")) watcher.observe(section);
