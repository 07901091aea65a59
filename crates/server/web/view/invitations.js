/**
 * Invitations to rooms. Each stays until the user accepts it or puts it away.
 */
import { byId, element, nameElement } from './element.js';

/** Invitations on the screen, at most. The oldest leave first. */
const SHOWN_MAX = 5;

export class Invitations {
  /** @param {(target: string) => void} join */
  constructor(join) {
    this.join = join;
    this.place = byId('invitations');
    /** @type {Map<string, HTMLElement>} By room. */
    this.rows = new Map();
  }

  add(author, target) {
    this.#remove(target);
    const accept = () => {
      this.#remove(target);
      this.join(target);
    };
    const row = element(
      'div',
      { class: 'invitation' },
      element('span', {}, nameElement(author), ' invites you to ', nameElement(target)),
      element('button', { type: 'button', text: 'Join', click: accept }),
      element('button', { class: 'icon', type: 'button', 'aria-label': `Not ${target}`, text: '×', click: () => this.#remove(target) }),
    );
    this.rows.set(target, row);
    this.place.append(row);
    if (this.rows.size > SHOWN_MAX) this.#remove(this.rows.keys().next().value);
  }

  clear() {
    for (const target of [...this.rows.keys()]) this.#remove(target);
  }

  #remove(target) {
    this.rows.get(target)?.remove();
    this.rows.delete(target);
  }
}
