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

/** The element of the page with this id. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
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
