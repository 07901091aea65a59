/**
 * The conversation on the screen: its heading, its messages, and what the reader has seen of them.
 */
import { openMenu } from './menu.js';
import { byId, oncePerFrame, setText } from './element.js';
import { ChatRows, ConversationRows } from './conversation_rows.js';
import { plainNodes } from './message.js';
import { fullTime, timeOf } from './times.js';
import { VirtualList } from './virtual_list.js';

/** Time between two questions for the readers of the newest own message, in milliseconds. */
const RECEIPT_TIME = 10_000;

/** The rows of no conversation. */
const NO_ROWS = { length: 0, find: () => 0 };

export class ConversationView {
  /**
   * @param {import('../client.js').Client} client
   * @param {{ onName: (name: string) => void, notify: (text: string) => void }} actions
   */
  constructor(client, actions) {
    Object.assign(this, { client, actions });
    this.log = byId('log');
    this.toEnd = byId('to-end');
    this.item = null;
    this.rows = null;
    this.list = new VirtualList(this.log, true, { nearStart: () => this.#loadOlder(), scrolled: () => this.#scrolled() });
    this.refresh = oncePerFrame(() => this.#refresh());
    this.toEnd.addEventListener('click', () => this.scrollToEnd());
    this.log.addEventListener('keydown', (event) => this.#key(event));
    this.log.addEventListener('mouseover', showFullTime);
    document.addEventListener('visibilitychange', () => this.refresh());
    window.addEventListener('focus', () => this.refresh());
    setInterval(() => this.#askReaders(), RECEIPT_TIME);
  }

  /** Shows a conversation or a private chat from its end. */
  show(item) {
    this.item = item;
    const actions = {
      onName: this.actions.onName,
      onMenu: (button, entry) => this.#openMenu(button, entry),
      fillHole: (hole, fromStart) => this.#attempt(this.client.reader.fillHole(item, hole, fromStart)),
    };
    this.rows = item.target ? new ConversationRows(this.client, item, actions) : new ChatRows(this.client.name, item, actions);
    this.list.show(this.rows);
    this.refresh();
  }

  /** Shows nothing. */
  clear() {
    [this.item, this.rows] = [null, null];
    setText(byId('title'), '');
    this.#showTopic('');
    this.list.show(NO_ROWS);
    this.toEnd.hidden = true;
  }

  /** Shows a record, and loads those around it first if need be. */
  async jumpTo(seq) {
    await this.client.reader.loadAround(this.item, seq);
    this.rows.refresh();
    const row = this.list.scrollTo(seq);
    const message = row?.querySelector('[tabindex]');
    message?.classList.add('is-target');
    message?.focus();
  }

  scrollToEnd() {
    this.list.scrollToEnd();
    this.refresh();
  }

  #refresh() {
    if (!this.item) return;
    const title = this.item.target ?? this.item.name;
    setText(byId('title'), title);
    this.#showTopic(this.#subtitle());
    this.rows.refresh();
    this.#refreshReceipt();
    this.list.update();
    this.#notePlace();
    this.#markRead();
    this.toEnd.hidden = this.list.isAtEnd;
    setText(this.toEnd, this.item.unread > 0 ? `↓ ${this.item.unread} new` : '↓ Newest');
  }

  /** A topic comes from others: characters that turn its direction are shown by their names. */
  #showTopic(text) {
    if (this.topic === text) return;
    this.topic = text;
    byId('topic').replaceChildren(...plainNodes(text));
    byId('topic').title = byId('topic').textContent;
  }

  #subtitle() {
    if (!this.item.target) return 'A private chat: it is stored nowhere.';
    if (this.item.isRenewed) return 'The server has lost earlier messages. The conversation began anew.';
    return this.item.topic ?? '';
  }

  #scrolled() {
    const isAtEnd = this.list.isAtEnd;
    if (this.toEnd.hidden !== isAtEnd) this.refresh();
    else if (isAtEnd) this.#markRead();
  }

  /** All records are read if the reader sees the end of them. */
  #markRead() {
    if (document.hidden || !document.hasFocus() || !this.list.isAtEnd) return;
    if (!this.item.target) {
      if (this.item.unread > 0) {
        this.item.unread = 0;
        this.client.chats.emit('changed');
      }
    } else if (this.item.isLive && this.item.timeline.last >= this.item.last) {
      this.client.markRead(this.item);
    }
  }

  #loadOlder() {
    if (!this.item?.target || !this.item.isOpen) return;
    this.#notePlace();
    this.#attempt(this.client.reader.loadOlder(this.item));
  }

  #notePlace() {
    const { key } = this.list;
    if (this.item.target) this.item.place = this.list.isAtEnd || typeof key !== 'number' ? Infinity : key;
  }

  /** A new own record has no readers yet; then the question is asked again. */
  #refreshReceipt() {
    const own = this.rows.newestOwn();
    if (!own || own.seq === this.rows.receipt.seq) return;
    this.rows.receipt = { seq: own.seq, names: [] };
    setTimeout(() => this.#askReaders(), 1_000);
  }

  async #askReaders() {
    const { rows, item } = this;
    if (document.hidden || !rows?.receipt?.seq || !item.isOpen || this.client.state !== 'online') return;
    // A direct message has no further readers.
    if (!item.isRoom && rows.receipt.names.length > 0) return;
    const { seq } = rows.receipt;
    const names = await this.readersOf(item, seq).catch(() => null);
    if (!names || rows.receipt.seq !== seq || names.join() === rows.receipt.names.join()) return;
    rows.receipt = { seq, names };
    this.refresh();
  }

  /** The accounts that have read a record, without the user. */
  async readersOf(item, seq) {
    const { line } = await this.client.ask({ verb: 'READERS', words: [item.target, seq] });
    return (line.words[2] ?? '').split(',').filter((name) => name !== '' && name !== this.client.name);
  }

  #openMenu(button, entry) {
    const record = entry.record ?? entry;
    const items = [
      { label: 'See the wire', run: () => this.actions.openWire(this.item, entry) },
      { label: 'Copy the text', run: () => this.#copy(record.text) },
    ];
    if (entry.record && !record.redactedBy && !this.client.isGuest) {
      items.push({ label: 'Delete the text', run: () => this.#redact(record) });
    }
    openMenu(button, items);
  }

  #redact({ seq }) {
    this.#attempt(this.client.ask({ verb: 'REDACT', words: [this.item.target, seq] }));
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.actions.notify('The text is copied.');
    } catch {
      this.actions.notify('The browser lets only pages over https copy: select the text instead.');
    }
  }

  #attempt(promise) {
    promise.catch((error) => this.actions.failed(error));
  }

  /** Up and down move from message to message; Enter opens the menu of one. */
  #key(event) {
    const rows = [...this.log.querySelectorAll('[tabindex="-1"]:is(.message, .event, .gap)')];
    const at = rows.indexOf(document.activeElement?.closest('.message, .event, .gap'));
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) {
      event.preventDefault();
      const next = at < 0 ? lastVisible(rows, this.log) : rows[at + step];
      next?.focus({ preventScroll: true });
      next?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter' && at >= 0 && event.target === rows[at]) {
      event.preventDefault();
      rows[at].querySelector('.more')?.click();
    } else if (event.key === 'End') {
      event.preventDefault();
      this.scrollToEnd();
    }
  }
}

/** The full time of a message is formatted when a pointer asks for it, because that takes longer than the rest of a row. */
function showFullTime({ target }) {
  const message = target.closest('[data-at]');
  if (message && !message.title) message.title = fullTime(timeOf(message.dataset.at));
}

function lastVisible(rows, log) {
  const bottom = log.getBoundingClientRect().bottom;
  return rows.findLast((row) => row.getBoundingClientRect().bottom <= bottom + 1) ?? rows.at(-1);
}
