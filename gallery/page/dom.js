/* Makes elements. Text is only ever text: names of files come from strangers' disks, and never pass through HTML. */

export const byId = (id) => document.getElementById(id);

/** `el("li", {className: "row"}, "text", child)`; properties, not attributes, but for `aria-...`, `data-...` and `role`. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(aria|data)-|^role$/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Show one section of the page and put the focus on its heading, so that a screen reader reads on from there. */
export function show(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  const step = byId(id).dataset.step;
  for (const item of document.querySelectorAll(".steps li")) {
    const [own, now] = [Number(item.dataset.step), Number(step)];
    item.classList.toggle("done", own < now);
    if (own === now) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  byId(id).querySelector("h1").focus({ preventScroll: true });
}

/** Say it to screen readers, once. */
export function announce(text) {
  const region = byId("announcements");
  if (region.textContent !== text) region.textContent = text;
}

/** A progress bar's value, 0-1, for eyes and for screen readers. */
export function setProgress(bar, value, text) {
  bar.firstElementChild.style.transform = `scaleX(${value})`;
  bar.setAttribute("aria-valuenow", String(Math.floor(value * 100)));
  bar.setAttribute("aria-valuetext", text);
}

/** A sentence with a weight: "info", "warning" or "error"; no text takes it away. */
export function notice(element, text, kind = "info") {
  element.hidden = !text;
  element.dataset.kind = kind;
  if (element.textContent !== text) element.textContent = text;
}
