/**
 * The list of conversations, with unread counts and the state of the connection.
 */
import { fold } from '../protocol.js';
import { byId, element, nameElement, setText } from './element.js';
import { VirtualList } from './virtual_list.js';

/** The parts of the list, each with a heading: which items belong to it. */
const GROUPS = [
  ['Rooms', (item) => item.isRoom],
  ['Direct', (item) => item.target && !item.isRoom],
  ['Private chats, not stored', (item) => !item.target],
];

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
    /** @type {(object|string)[]} Headings, and the items below them. */
    this.lines = [];
    this.view = new VirtualList(this.list, false);
    this.view.show(this.#source());
    this.filter.addEventListener('input', () => this.refresh());
    this.filter.addEventListener('keydown', (event) => this.#filterKey(event));
  }

  /** Draws the list and the state again. */
  refresh(current = this.current) {
    this.current = current;
    setText(byId('my-name'), this.client.name);
    setText(byId('my-kind'), this.client.isGuest ? 'guest' : '');
    byId('my-kind').hidden = !this.client.isGuest;
    this.#refreshConnection();
    this.#refreshList();
  }

  #refreshConnection() {
    const { waiting } = this.client.outbox;
    const kept = waiting > 0 ? ` ${waiting === 1 ? 'One message waits' : `${waiting} messages wait`} to be sent.` : '';
    const texts = { offline: `No connection: trying again.${kept}`, connecting: `Connecting…${kept}` };
    setText(byId('connection'), texts[this.client.state] ?? '');
  }

  /** The shown items in order: conversations, then private chats. */
  items() {
    const wanted = fold(this.filter.value.trim());
    const all = [...this.client.conversations.all(), ...this.client.chats.all()];
    return all.filter((item) => fold(item.target ?? item.name).includes(wanted));
  }

  #refreshList() {
    const items = this.items();
    this.lines = GROUPS.flatMap(([title, includes]) => {
      const members = items.filter(includes);
      return members.length > 0 ? [title, ...members] : [];
    });
    if (items.length === 0) this.lines = [this.filter.value ? 'Nothing of that name.' : 'No conversations yet.'];
    this.view.update();
  }

  /** The lines for the virtual list. The key of an item is the item itself. */
  #source() {
    const lines = () => this.lines;
    return {
      get length() {
        return lines().length;
      },
      at: (index) => this.lines[index],
      keyOf: (line) => line,
      find: (line) => Math.max(0, this.lines.indexOf(line)),
      signature: (line) => (typeof line === 'string' ? line : JSON.stringify(this.#looks(line))),
      draw: (line) => (typeof line === 'string' ? element('h2', { text: line }) : this.#draw(line, this.#looks(line))),
    };
  }

  /** The visible properties of an item. */
  #looks(item) {
    const title = item.target ?? item.name;
    const isCurrent = item === this.current;
    return { title, unread: item.unread, isCurrent, draft: this.hasDraft(title) && !isCurrent };
  }

  #draw(item, { title, unread, isCurrent, draft }) {
    const badge = unread > 0 && element('span', { class: 'badge' }, element('span', { class: 'visually-hidden', text: ', unread: ' }), String(unread));
    const mark = draft && element('span', { class: 'draft-mark', title: 'Has a draft', text: '✎' });
    const properties = { type: 'button', 'aria-current': isCurrent ? 'page' : null, click: () => this.choose(item) };
    return element('div', { class: `entry${unread > 0 ? ' is-unread' : ''}` }, element('button', properties, nameElement(title), mark, badge));
  }

  focusCurrent() {
    if (this.current) this.view.scrollTo(this.current);
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
