// What a page's accessibility breaks, of rules that axe has too: a list of sentences, each with the element.
() => {
  const broken = [];
  const say = (rule, node) => broken.push(`${rule}: ${node.outerHTML.slice(0, 120)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const textOf = (id) => document.getElementById(id)?.textContent.trim();
  const nameOf = (node) =>
    node.getAttribute("aria-label") ||
    textOf(node.getAttribute("aria-labelledby")) ||
    [...(node.labels ?? [])].map((label) => label.textContent.trim()).join(" ") ||
    node.textContent.trim();

  if (!document.documentElement.lang) say("a page has a language", document.documentElement);
  if (!document.title) say("a page has a title", document.documentElement);
  for (const selector of ["main", "header", "nav", "h1", "body > footer"]) {
    if (all(selector).length !== 1) say(`there is one ${selector}`, document.body);
  }
  for (const node of all("body > *:not(script)")) {
    const isLandmark = node.matches("main, header, nav, footer, .skip");
    if (!isLandmark) say("all is in a landmark", node);
  }
  for (const node of all("button, a, input, summary, [role=region], section, nav, svg:not([aria-hidden])")) {
    if (!nameOf(node)) say("it has a name", node);
  }
  for (const node of all("svg:not([aria-hidden])")) {
    if (node.getAttribute("role") !== "img") say("a drawing is an image", node);
  }
  for (const node of all("[tabindex]")) {
    if (node.tabIndex > 0) say("the order of focus is that of the page", node);
  }
  let level = 0;
  for (const node of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(node.tagName[1]);
    if (own > level + 1) say("no level of headings is left out", node);
    level = own;
  }
  const ids = all("[id]").map((node) => node.id);
  for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) {
    say("an id is used once", document.getElementById(id));
  }
  for (const table of all("table")) {
    if (!table.caption?.textContent.trim()) say("a table has a caption", table);
    if (table.querySelector("thead th:not([scope=col]), tbody th:not([scope=row])")) say("a heading has a scope", table);
    for (const head of table.querySelectorAll("th")) if (!head.textContent.trim()) say("a heading has a text", head);
    const columns = table.tHead.rows[0].cells.length;
    for (const row of table.tBodies[0].rows) if (row.cells.length !== columns) say("a row has all cells", row);
  }
  for (const list of all("ul, ol")) {
    if ([...list.children].some((child) => child.tagName !== "LI")) say("a list has items alone", list);
  }
  for (const list of all("dl > div")) {
    if (!list.querySelector("dt") || !list.querySelector("dd")) say("a term has a description", list);
  }
  for (const node of all("button, summary, input[type=search], nav a")) {
    const box = node.getBoundingClientRect();
    if (isShown(node) && box.height && box.height < 24) say("a target is large enough", node);
  }

  // Contrast, as WCAG 2 computes it.
  const parsed = (color) => {
    const parts = color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (node) => {
    const bar = node.closest("svg") && node.parentElement.querySelector(":scope > rect");
    const fill = bar && getComputedStyle(bar).fill;
    if (fill && fill !== "none") return parsed(fill).rgb;
    for (let at = node; at; at = at.parentElement) {
      const back = parsed(getComputedStyle(at).backgroundColor);
      if (back.alpha > 0.99) return back.rgb;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const isText = walker.currentNode.data.trim() && !node.matches("script, style, title");
    if (!isText || seen.has(node)) continue;
    seen.add(node);
    const style = getComputedStyle(node);
    const color = parsed(node.closest("svg") ? style.fill : style.color).rgb;
    const found = ratio(color, behind(node));
    if (found < 4.5) say(`contrast ${found.toFixed(2)}`, node);
  }
  for (const node of all("svg rect, svg circle, svg polygon")) {
    if (node.matches(".track")) continue;
    const style = getComputedStyle(node);
    const color = style.fill === "none" ? style.stroke : style.fill;
    const found = ratio(parsed(color).rgb, behind(node.closest("svg").parentElement));
    if (found < 3) say(`contrast of a drawing ${found.toFixed(2)}`, node);
  }
  return broken;
}
