/**
 * The people of a conversation: members with their standing, and who is here.
 */
import { byId, element, nameElement } from './element.js';

/** People in the list, at most. */
const SHOWN_MAX = 500;

/** Standings in the order of the list (§13.5). `member` needs no word. */
const ORDER = ['owner', 'moderator', 'member', 'guest', 'invited', 'banned'];

export class People {
  /** @param {import('../client.js').Client} client @param {(name: string) => void} choose */
  constructor(client, choose) {
    Object.assign(this, { client, choose });
    this.panel = byId('people');
    this.list = byId('people-list');
    this.toggle = byId('people-toggle');
    this.toggle.addEventListener('click', () => this.#show(this.panel.hidden));
    byId('people-close').addEventListener('click', () => this.#show(false));
    this.timer = 0;
  }

  #show(isShown) {
    this.panel.hidden = !isShown;
    this.toggle.setAttribute('aria-expanded', String(isShown));
    if (isShown) this.ask();
    else this.toggle.focus();
  }

  /** Shows the people of another conversation. */
  show(item) {
    this.item = item;
    if (!item) this.list.replaceChildren();
    this.ask();
    this.refresh();
  }

  /** Asks for the members soon. Many joins and leaves are one question. */
  ask() {
    if (this.panel.hidden || !this.item?.isOpen || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.item?.isOpen) this.client.presence.refresh(this.item.target).catch(() => {});
    }, 300);
  }

  refresh() {
    if (this.panel.hidden || !this.item) return;
    const { presence } = this.client;
    const members = this.item.target ? presence.membersOf(this.item.target) : [];
    const isHere = ({ name }) => presence.isHere(name);
    const order = (one, other) =>
      isHere(other) - isHere(one) || ORDER.indexOf(one.standing) - ORDER.indexOf(other.standing) || one.name.localeCompare(other.name);
    const rows = [...members].sort(order).slice(0, SHOWN_MAX).map((member) => this.#row(member, isHere(member)));
    const more = members.length > SHOWN_MAX && element('p', { class: 'hint', text: `and ${members.length - SHOWN_MAX} more` });
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
    this.list.replaceChildren(element('ul', {}, ...rows), ...(more ? [more] : []));
    if (focused !== undefined) [...this.list.querySelectorAll('button')].find(({ dataset }) => dataset.name === focused)?.focus({ preventScroll: true });
  }

  /** On a phone, the list covers the conversation, so it closes. */
  #choose(name) {
    if (matchMedia('(max-width: 700px)').matches) this.#show(false);
    this.choose(name);
  }

  #row({ name, standing }, isHere) {
    const word = isHere ? 'here' : 'away';
    const tag = standing !== 'member' && element('span', { class: 'tag', text: standing });
    const dot = element('span', { class: `here${isHere ? ' is-here' : ''}`, title: word }, element('span', { class: 'visually-hidden', text: word }));
    // There is no conversation with oneself.
    if (name === this.client.name) return element('li', {}, element('div', {}, dot, nameElement(name), tag));
    const properties = { type: 'button', 'data-name': name, click: () => this.#choose(name) };
    return element('li', {}, element('button', properties, dot, nameElement(name), tag));
  }
}
