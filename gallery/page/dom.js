/* Makes elements. Text is only ever text: names of files come from strangers' disks, and never pass through HTML. */

/**
 * The element with this id. Throws where there is none, or not of the class `type`.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type]
 */
export function byId(id, type) {
  return checked(document.getElementById(id), id, type ?? /** @type {new () => T} */ (HTMLElement));
}

/**
 * The first element within `root` that the selector fits. Throws where there is none, or not of the class `type`.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 */
export function find(root, selector, type) {
  return checked(root.querySelector(selector), selector, type);
}

/**
 * All elements within `root` that the selector fits. Throws where one is not of the class `type`.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 */
export function findAll(root, selector, type) {
  return Array.from(root.querySelectorAll(selector), (element) => checked(element, selector, type));
}

/** @type {<T extends Element>(element: Element | null, what: string, type: new () => T) => T} */
function checked(element, what, type) {
  if (element instanceof type) return element;
  throw new TypeError(`the page has no ${type.name} ${what}`);
}

/**
 * `el("li", {className: "row"}, "text", child)`; properties, not attributes, but for `aria-...`, `data-...` and `role`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]> & { [attribute: `${"aria" | "data"}-${string}`]: string }} properties
 * @param {(Node | string | null | undefined)[]} children
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(aria|data)-|^role$/.test(name)) element.setAttribute(name, String(value));
    else Object.assign(element, { [name]: value });
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Show one section of the page and put the focus on its heading, so that a screen reader reads on from there.
 * @param {string} id
 */
export function show(id) {
  for (const section of findAll(document, "main > section", HTMLElement)) section.hidden = section.id !== id;
  const step = byId(id).dataset.step;
  for (const item of findAll(document, ".steps li", HTMLElement)) {
    const [own, now] = [Number(item.dataset.step), Number(step)];
    item.classList.toggle("done", own < now);
    if (own === now) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  find(byId(id), "h1", HTMLElement).focus({ preventScroll: true });
}

/**
 * Say it to screen readers, once.
 * @param {string} text
 */
export function announce(text) {
  const region = byId("announcements");
  if (region.textContent !== text) region.textContent = text;
}

/**
 * Put `words` into elements, the heading first; screen readers hear them whenever they change, if one can see them.
 * @type {(elements: HTMLElement[], words: string[]) => void}
 */
export function tell(elements, words) {
  if (elements.every((one, index) => one.textContent === words[index])) return;
  elements.forEach((one, index) => (one.textContent = words[index]));
  if (!elements[0].closest("[hidden]")) announce(words.map((one) => (/[.!?]$/.test(one) ? one : `${one}.`)).join(" "));
}

/**
 * A progress bar's value, 0-1, for eyes and for screen readers.
 * @param {HTMLElement} bar
 * @param {number} value
 * @param {string} text
 */
export function setProgress(bar, value, text) {
  find(bar, "span", HTMLElement).style.transform = `scaleX(${value})`;
  bar.setAttribute("aria-valuenow", String(Math.floor(value * 100)));
  bar.setAttribute("aria-valuetext", text);
}

/**
 * A sentence with a weight; no text takes it away.
 * @param {HTMLElement} element
 * @param {string} text
 * @param {"info" | "warning" | "error"} kind
 */
export function notice(element, text, kind = "info") {
  element.hidden = !text;
  element.dataset.kind = kind;
  if (element.textContent !== text) element.textContent = text;
}
