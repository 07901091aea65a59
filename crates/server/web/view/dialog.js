/**
 * The one dialog of the page: a title and a body. Escape, its button and a click beside it close it.
 */
import { byId } from './element.js';

/**
 * Opens the dialog.
 * @param {string} title
 * @param {...(Node|string|false|null)} body
 * @returns {HTMLElement} The element of the body.
 */
export function openDialog(title, ...body) {
  const dialog = byId('dialog');
  byId('dialog-title').textContent = title;
  const content = byId('dialog-body');
  content.replaceChildren(...body.filter(Boolean));
  if (!dialog.open) dialog.showModal();
  return content;
}

export function closeDialog() {
  byId('dialog').close();
}

/** Connects the ways to close the dialog. */
export function prepareDialog() {
  const dialog = byId('dialog');
  byId('dialog-close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener('close', () => byId('dialog-body').replaceChildren());
}
