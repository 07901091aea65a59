/**
 * Messages that the server has not confirmed yet: docs/protocol.md §16.4.
 *
 * Each message is stored before it is sent. With an account it has a number, so it may be sent again and is stored once.
 * A guest has no numbers: after a loss, the page looks for the message among the new records, and asks its user if it is
 * not there.
 *
 * States: `waiting` (not sent, or to be sent again), `sent` (no answer yet), `unsure` (a guest's message whose answer was
 * lost), `refused` (the server answered with an error).
 */
import { Emitter } from './emitter.js';
import { fold } from './protocol.js';

/** Messages that wait, at most. */
const MESSAGES_MAX = 1_000;
/** Unanswered messages of a conversation, at most. The protocol allows 1,024. */
const WINDOW = 64;

/**
 * @typedef {object} Outgoing
 * @property {string} id The key under which it is stored.
 * @property {string} target
 * @property {string} epoch That of the conversation when the message was written, if it was known.
 * @property {string} text
 * @property {number} order Rises with each message. An account sends it as `n`.
 * @property {'waiting'|'sent'|'unsure'|'refused'} state
 * @property {boolean} wasSent Whether it was sent before.
 * @property {number} after The last known record when it was sent.
 * @property {string} [code] Why it was refused.
 * @property {boolean} isStored Whether it outlives the page.
 */

export class Outbox extends Emitter {
  /**
   * @param {import('./storage.js').Storage} storage
   * @param {string} owner The account and its device, or the guest.
   */
  constructor(storage, owner) {
    super();
    this.storage = storage;
    this.owner = owner;
    /** @type {Outgoing[]} In the order in which they were written. */
    this.messages = this.#load();
    for (const message of this.messages) if (message.state === 'sent') message.state = 'waiting';
  }

  #load() {
    const keys = this.storage.keys(`outbox/${this.owner}/`);
    const messages = keys.map((key) => this.storage.get(key)).filter((message) => typeof message?.text === 'string');
    return messages.sort((one, other) => one.order - other.order);
  }

  /** The messages of a conversation, in order. */
  of(target) {
    return this.messages.filter((message) => fold(message.target) === fold(target));
  }

  /** A number that no message of this device had before. */
  #nextOrder() {
    const key = `number/${this.owner}`;
    const next = Math.max(this.storage.get(key, 0), this.messages.at(-1)?.order ?? 0) + 1;
    this.storage.set(key, next);
    return next;
  }

  /** Stores a message that is to be sent. Returns null if too many wait. */
  add(target, epoch, text) {
    if (this.messages.length >= MESSAGES_MAX) return null;
    const order = this.#nextOrder();
    const id = `outbox/${this.owner}/${String(order).padStart(16, '0')}`;
    const message = { id, target, epoch, text, order, state: 'waiting', wasSent: false, after: 0, isStored: true };
    this.messages.push(message);
    this.#save(message);
    return message;
  }

  /** The messages of a conversation that may be sent now. A later one never overtakes an earlier one. */
  ready(target) {
    const messages = this.of(target).filter((message) => message.state === 'waiting' || message.state === 'sent');
    const firstWaiting = messages.findIndex((message) => message.state === 'waiting');
    return firstWaiting < 0 ? [] : messages.slice(firstWaiting, WINDOW).filter((message) => message.state === 'waiting');
  }

  /** The conversations with messages that wait. */
  targets() {
    const waiting = this.messages.filter((message) => message.state === 'waiting');
    return [...new Map(waiting.map((message) => [fold(message.target), message.target])).values()];
  }

  /** @param {Outgoing} message @param {Partial<Outgoing>} change */
  update(message, change) {
    Object.assign(message, change);
    this.#save(message);
  }

  /** Gives a message a new number: the server has skipped the old one, or has it not any more (§16.4, rule 4). */
  renumber(message) {
    const { target, epoch, text } = message;
    this.remove(message);
    return this.add(target, epoch, text);
  }

  /** The server has stored the message, or the user has discarded it. */
  remove(message) {
    const at = this.messages.indexOf(message);
    if (at < 0) return;
    this.messages.splice(at, 1);
    this.storage.remove(message.id);
    this.emit('changed', message.target);
  }

  clear() {
    for (const message of [...this.messages]) this.remove(message);
  }

  /** The connection has ended. Numbered messages are sent again; of others, the outcome is not known. */
  disconnected(isNumbered) {
    for (const message of this.messages) {
      if (message.state === 'sent') this.update(message, { state: isNumbered ? 'waiting' : 'unsure' });
    }
  }

  #save(message) {
    message.isStored = this.storage.set(message.id, { ...message, isStored: true });
    this.emit('changed', message.target);
  }
}
