/**
 * Builds elements. Text is always set as text, so nothing from the network becomes markup.
 */

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [properties] Attributes; functions listen to events; `class` and `text` as expected.
 * @param {...(Node|string|null|undefined|false)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (name === 'text') made.textContent = value;
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Makes nodes the children of a parent, in this order. Those that are in their place stay there and keep the focus. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = node.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** The element of the page with this id. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Sets a text that may be clipped: the title has all of it. The same text again costs nothing. */
export function setText(target, text) {
  if (target.textContent === text) return;
  target.textContent = text;
  target.title = text;
}

/** A name, isolated from the direction of the text around it. Long names are clipped; the title has all of it. */
export function nameElement(name, properties = {}) {
  return element('bdi', { class: 'name', title: name, text: name, ...properties });
}

/** Runs a function once before the next frame, however often it is asked to. */
export function oncePerFrame(run) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    // A hidden page has no frames, but its title and its counts go on.
    const later = document.hidden ? (callback) => setTimeout(callback, 50) : requestAnimationFrame;
    later(() => {
      isDue = false;
      run();
    });
  };
}
