// What is wrong with how the page in the browser looks and is named; nothing, where all lists are empty.
() => {
  const CONTRAST = 4.5; // WCAG 2.2, 1.4.3
  const TARGET_PX = 24; // WCAG 2.2, 2.5.8
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const start = (element) => element.outerHTML.slice(0, 80);
  const ids = (element, attribute) => (element.getAttribute(attribute) ?? "").split(/ +/).filter(Boolean);

  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const written = (element) =>
    element.matches("input:not([type=hidden])") ||
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  const contrast = (element) => {
    const [one, other] = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
  };

  const named = (element) =>
    element.labels?.length ||
    element.getAttribute("aria-label") ||
    element.getAttribute("aria-labelledby") ||
    element.textContent.trim();
  const names = [
    ...all("input:not([type=hidden]), select, textarea, button, a, nav, summary")
      .filter((element) => !named(element))
      .map((element) => `no name: ${start(element)}`),
    ...all("svg:not([aria-hidden=true]), img")
      .filter((element) => !element.getAttribute("aria-label") && !element.alt)
      .map((element) => `no words for a picture: ${start(element)}`),
    ...all("[aria-labelledby], [aria-describedby]")
      .flatMap((element) => [...ids(element, "aria-labelledby"), ...ids(element, "aria-describedby")])
      .filter((id) => !document.getElementById(id))
      .map((id) => `nothing is called ${id}`),
    ...all("[id]")
      .filter((element) => document.getElementById(element.id) !== element)
      .map((element) => `two are called ${element.id}`),
  ];

  const levels = all("h1, h2, h3, h4, h5, h6").map((heading) => Number(heading.tagName[1]));
  const structure = [
    document.documentElement.lang ? "" : "no language",
    levels.filter((level) => level === 1).length === 1 ? "" : "not one h1",
    ...levels.map((level, at) => (level > (levels[at - 1] ?? 0) + 1 ? `h${level} comes too early` : "")),
    ...["main", "header"].map((part) => (all(`body > ${part}`).length === 1 ? "" : `not one ${part}`)),
  ].filter(Boolean);

  return {
    faint: all("body *")
      .filter((element) => written(element) && element.checkVisibility() && contrast(element) < CONTRAST)
      .map((element) => `${contrast(element).toFixed(2)}: ${start(element)}`),
    names,
    structure,
    too_small: all("button, a.button, input:not([type=hidden]), summary, nav a")
      .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < TARGET_PX)
      .map(start),
    too_wide: document.documentElement.scrollWidth > document.documentElement.clientWidth ? ["it scrolls sideways"] : [],
  };
}
