/**
 * The rows of a conversation for the virtual list: its entries, then the messages that are not stored yet.
 */
import { errorSentence } from '../error_sentences.js';
import { eventRow, gapRow, holeRow, messageRow, noteRow } from './message.js';

/**
 * @typedef {object} RowActions
 * @property {(name: string) => void} onName
 * @property {(button: HTMLElement, item: object) => void} onMenu
 * @property {(hole: object, fromStart: boolean) => void} fillHole
 */

export class ConversationRows {
  /**
   * @param {import('../client.js').Client} client
   * @param {import('../conversations.js').Conversation} conversation
   * @param {RowActions} actions
   */
  constructor(client, conversation, actions) {
    this.client = client;
    this.conversation = conversation;
    this.actions = actions;
    /** The first unread record when the conversation was opened: a mark stands before it. */
    this.firstUnread = conversation.unread > 0 && conversation.read > 0 ? conversation.last - conversation.unread + 1 : 0;
    /** The newest own record, and the accounts that have read it. */
    this.receipt = { seq: 0, names: [] };
    this.refresh();
  }

  /** Takes the present messages of the outbox. */
  refresh() {
    this.outgoing = this.client.outbox.of(this.conversation.target);
  }

  get entries() {
    return this.conversation.timeline.entries;
  }

  get length() {
    return this.entries.length + this.outgoing.length;
  }

  at(index) {
    return index < this.entries.length ? this.entries[index] : this.outgoing[index - this.entries.length];
  }

  keyOf(item) {
    return item.kind ? item.from : item.id;
  }

  find(key) {
    if (typeof key === 'number') return Math.min(this.conversation.timeline.indexOf(key), Math.max(0, this.length - 1));
    const at = this.outgoing.findIndex(({ id }) => id === key);
    return at < 0 ? Math.max(0, this.length - 1) : this.entries.length + at;
  }

  isOwn(record) {
    return record.author === this.client.name && (record.by === null) === this.client.isGuest;
  }

  /** The newest own message, if it is among the last entries. */
  newestOwn() {
    for (let at = this.entries.length - 1; at >= 0 && at > this.entries.length - 200; at -= 1) {
      const { record } = this.entries[at];
      if (record?.verb === 'FROM' && !record.redactedBy && this.isOwn(record)) return record;
    }
    return null;
  }

  signature(item, previous) {
    if (!item.kind) return `${item.state} ${item.code} ${item.isStored} ${previous ? this.keyOf(previous) : ''}`;
    const { redactedBy, seq } = item.record ?? {};
    const readers = seq !== undefined && seq === this.receipt.seq ? this.receipt.names.join() : '';
    return `${item.kind} ${item.to} ${redactedBy ?? ''} ${previous ? this.keyOf(previous) : ''} ${seq === this.receipt.seq} ${readers}`;
  }

  draw(item, previous) {
    if (!item.kind) return this.#outgoingRow(item, previous);
    if (item.kind === 'gap') return gapRow(item);
    if (item.kind === 'hole') return holeRow(item, (fromStart) => this.actions.fillHole(item, fromStart));
    const row = item.record.verb === 'FROM' ? this.#messageRow(item, previous) : eventRow(item.record, previous?.record ?? null);
    row.dataset.seq = item.from;
    if (item.from === this.firstUnread) row.prepend(newMark());
    return row;
  }

  #messageRow(item, previous) {
    const { record } = item;
    const isOwn = this.isOwn(record);
    return messageRow(record, previous?.record ?? null, {
      isOwn,
      state: isOwn && record.seq === this.receipt.seq ? this.#receiptText() : '',
      onName: this.actions.onName,
      onMenu: (button) => this.actions.onMenu(button, item),
    });
  }

  #receiptText() {
    const { names } = this.receipt;
    return names.length === 0 ? '✓ stored' : `✓✓ read by ${names.join(', ')}`;
  }

  #outgoingRow(message, previous) {
    const author = this.client.name;
    const by = this.newestOwn()?.by ?? (this.client.isGuest ? null : 'me');
    const record = { author, by, at: new Date(), text: message.text, verb: 'FROM' };
    const isWrong = message.state === 'refused' || message.state === 'unsure';
    const again = { label: 'Send again', run: () => this.client.sayAgain(message) };
    const discard = { label: 'Discard', run: () => this.client.outbox.remove(message) };
    const previousRecord = previous?.record ?? (previous && !previous.kind ? record : null);
    return messageRow(record, previousRecord, {
      isOwn: true,
      isWrong,
      isWaiting: true,
      state: outgoingState(message),
      actions: isWrong ? [again, discard] : message.state === 'waiting' && !message.wasSent ? [discard] : [],
      onMenu: (button) => this.actions.onMenu(button, message),
    });
  }
}

/** The state of a message that is not stored, in words. */
function outgoingState({ state, code, isStored }) {
  if (state === 'refused') return `Not sent: ${errorSentence(code)}`;
  if (state === 'unsure') return 'The connection was lost: this message may not be stored.';
  const words = state === 'sent' ? '… sent, not stored yet' : '◷ waiting to be sent';
  return isStored ? words : `${words}; this browser cannot keep it if you close the page`;
}

function newMark() {
  const mark = document.createElement('div');
  mark.className = 'new-mark';
  mark.textContent = 'New';
  return mark;
}

/** The rows of a private chat of guests. */
export class ChatRows {
  /** @param {string} name Own name. @param {object} chat @param {RowActions} actions */
  constructor(name, chat, actions) {
    this.name = name;
    this.chat = chat;
    this.actions = actions;
  }

  refresh() {}

  get length() {
    return this.chat.lines.length;
  }

  at(index) {
    return this.chat.lines[index];
  }

  keyOf(line) {
    return line.id;
  }

  find(key) {
    return Math.max(0, this.chat.lines.findIndex(({ id }) => id === key));
  }

  newestOwn() {
    return null;
  }

  signature() {
    return '';
  }

  draw(line, previous) {
    if (line.isNote) return noteRow(line.text);
    const recordOf = (item) => ({ author: item.isOwn ? this.name : item.author, by: null, isGuestKnown: false, at: item.at, text: item.text, verb: 'FROM' });
    return messageRow(recordOf(line), previous && !previous.isNote ? recordOf(previous) : null, {
      isOwn: line.isOwn,
      onMenu: (button) => this.actions.onMenu(button, line),
    });
  }
}
