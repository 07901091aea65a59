/**
 * The list of conversations, with unread counts and the state of the connection.
 */
import { fold } from '../protocol.js';
import { byId, element, nameElement } from './element.js';

/** Conversations in the list, at most. The field above the list finds the others. */
const SHOWN_MAX = 600;
/** Rows that are drawn in one frame. A long list grows from frame to frame, so no task is long. */
const ROWS_OF_FRAME = 100;

export class Sidebar {
  /**
   * @param {import('../client.js').Client} client
   * @param {(item: object) => void} choose
   * @param {(target: string) => boolean} hasDraft
   */
  constructor(client, choose, hasDraft) {
    Object.assign(this, { client, choose, hasDraft });
    this.filter = byId('filter');
    this.list = byId('list');
    this.buttons = new Map();
    this.limit = ROWS_OF_FRAME;
    this.filter.addEventListener('input', () => this.refresh());
    this.filter.addEventListener('keydown', (event) => this.#filterKey(event));
  }

  /** Draws the list and the state again. */
  refresh(current = this.current) {
    this.current = current;
    byId('my-name').textContent = this.client.name;
    byId('my-name').title = this.client.name;
    byId('my-kind').textContent = this.client.isGuest ? 'guest' : '';
    byId('my-kind').hidden = !this.client.isGuest;
    this.#refreshConnection();
    this.#refreshList();
  }

  #refreshConnection() {
    const { waiting } = this.client.outbox;
    const kept = waiting > 0 ? ` ${waiting === 1 ? 'One message waits' : `${waiting} messages wait`} to be sent.` : '';
    const texts = { offline: `No connection: trying again.${kept}`, connecting: `Connecting…${kept}` };
    const text = texts[this.client.state] ?? '';
    if (byId('connection').textContent !== text) byId('connection').textContent = text;
  }

  /** The shown items in order: conversations, then private chats. */
  items() {
    const wanted = fold(this.filter.value.trim());
    const all = [...this.client.conversations.all(), ...this.client.chats.all()];
    return all.filter((item) => fold(item.target ?? item.name).includes(wanted)).slice(0, SHOWN_MAX);
  }

  #refreshList() {
    const all = this.items();
    const items = all.slice(0, this.limit);
    if (items.length < all.length) this.#growLater();
    const former = this.buttons;
    this.buttons = new Map();
    const isSameList = items.length === former.size && items.length > 0 && [...former.keys()].every((item, index) => item === items[index]);
    if (isSameList) items.forEach((item) => this.#renew(former, item));
    else this.#build(items, former);
  }

  #growLater() {
    this.limit += ROWS_OF_FRAME;
    requestAnimationFrame(() => this.#refreshList());
  }

  /** Draws only the row of an item whose row has changed. */
  #renew(former, item) {
    const { row } = former.get(item);
    const hasFocus = row.contains(document.activeElement);
    const renewed = this.#row(former, item);
    if (renewed === row) return;
    row.replaceWith(renewed);
    if (hasFocus) renewed.firstElementChild.focus({ preventScroll: true });
  }

  #build(items, former) {
    const groups = [
      ['Rooms', items.filter((item) => item.isRoom)],
      ['Direct', items.filter((item) => item.target && !item.isRoom)],
      ['Private chats, not stored', items.filter((item) => !item.target)],
    ];
    const parts = groups.filter(([, members]) => members.length > 0).flatMap(([title, members]) => [
      element('h2', { text: title }),
      element('ul', {}, ...members.map((item) => this.#row(former, item))),
    ]);
    if (parts.length === 0) parts.push(element('p', { class: 'empty', text: this.filter.value ? 'Nothing of that name.' : 'No conversations yet.' }));
    const focused = document.activeElement;
    this.list.replaceChildren(...parts);
    if (this.list.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** The row of an item. It is kept as long as nothing of it has changed. */
  #row(former, item) {
    const isCurrent = item === this.current;
    const title = item.target ?? item.name;
    const draft = this.hasDraft(title) && !isCurrent;
    const signature = `${title} ${item.unread} ${isCurrent} ${draft}`;
    const known = former.get(item);
    const row = known?.signature === signature ? known.row : this.#draw(item, title, isCurrent, draft);
    this.buttons.set(item, { row, signature });
    return row;
  }

  #draw(item, title, isCurrent, draft) {
    const badge = item.unread > 0 && element('span', { class: 'badge' }, element('span', { class: 'visually-hidden', text: ', unread: ' }), String(item.unread));
    const mark = draft && element('span', { class: 'draft-mark', title: 'Has a draft', text: '✎' });
    const properties = { type: 'button', 'aria-current': isCurrent ? 'page' : null, click: () => this.choose(item) };
    return element('li', { class: item.unread > 0 ? 'is-unread' : '' }, element('button', properties, nameElement(title), mark, badge));
  }

  focusCurrent() {
    this.list.querySelector('[aria-current]')?.focus();
  }

  #filterKey(event) {
    if (event.key === 'Escape') {
      this.filter.value = '';
      this.refresh();
    } else if (event.key === 'Enter' && this.items().length > 0) {
      // The focus moves to the message: the key must not write a new line there.
      event.preventDefault();
      this.choose(this.items()[0]);
      this.filter.value = '';
      this.refresh();
    }
  }

  /** The item before or after the current one; with `unreadOnly`, the next one with unread records. */
  neighbour(step, unreadOnly) {
    const items = this.items();
    const at = items.indexOf(this.current);
    for (let count = 1; count <= items.length; count += 1) {
      const item = items[(at + step * count + items.length * 2) % items.length];
      if (!unreadOnly || item.unread > 0) return item;
    }
    return null;
  }
}
