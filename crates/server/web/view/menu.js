/**
 * A small menu beside a button.
 */
import { byId, element } from './element.js';

/**
 * Opens the menu.
 * @param {HTMLElement} button
 * @param {{ label: string, run: () => void }[]} items
 */
export function openMenu(button, items) {
  const menu = byId('menu');
  const choose = (run) => () => {
    menu.hidePopover();
    run();
  };
  menu.replaceChildren(...items.map(({ label, run }) => element('button', { role: 'menuitem', type: 'button', text: label, click: choose(run) })));
  button.setAttribute('aria-expanded', 'true');
  menu.ontoggle = ({ newState }) => {
    if (newState !== 'closed') return;
    button.setAttribute('aria-expanded', 'false');
    if (button.isConnected && menu.contains(document.activeElement)) button.focus();
  };
  menu.onkeydown = moveFocus;
  menu.showPopover();
  place(menu, button);
  menu.firstElementChild?.focus();
}

function place(menu, button) {
  const [at, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  const top = at.bottom + size.height > innerHeight ? at.top - size.height : at.bottom;
  menu.style.inset = 'auto';
  menu.style.top = `${Math.max(4, top)}px`;
  menu.style.left = `${Math.max(4, Math.min(at.left, innerWidth - size.width - 8))}px`;
}

function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const items = [...event.currentTarget.children];
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
}
