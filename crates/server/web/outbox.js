/**
 * Messages that the server has not confirmed yet: docs/protocol.md §16.4.
 *
 * Each message is stored before it is sent. With an account it has a number, so it may be sent again and is stored once.
 * A guest has no numbers: after a loss, the page looks for the message among the records, and asks its user if it is not
 * there.
 *
 * States: `waiting` (not sent, or to be sent again), `sent` (no answer yet), `unsure` (it may be stored, and cannot be
 * sent again without a question), `refused` (by the server, or because its target or its author is another one now).
 */
import { Emitter } from './emitter.js';
import { fold } from './protocol.js';
import { Storage } from './storage.js';

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
   * @param {Storage} storage
   * @param {string} owner The account and its device, or the guest.
   * @param {boolean} isNumbered Whether the messages have numbers: those of an account do.
   */
  constructor(storage, owner, isNumbered) {
    super();
    Object.assign(this, { storage, owner, isNumbered });
    /** @type {Outgoing[]} In the order in which they were written. */
    this.messages = this.#load();
    // The page that sent them did not live to hear the answers.
    this.disconnected();
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

  /**
   * A number that no message of this device had before, and that is at least `least`. If the browser cannot store it, a
   * later page would give it again, so it comes from the clock: such numbers rise without a memory.
   */
  #nextOrder(least) {
    const key = `number/${this.owner}`;
    const next = Math.max(this.storage.get(key, 0) + 1, (this.messages.at(-1)?.order ?? 0) + 1, least);
    if (this.storage.set(key, next)) return next;
    const late = Math.max(next, Date.now());
    this.storage.set(key, late);
    return late;
  }

  /** Stores a message that is to be sent. Returns null if too many wait. */
  add(target, epoch, text, least = 1) {
    if (this.messages.length >= MESSAGES_MAX) return null;
    const order = this.#nextOrder(least);
    const id = `outbox/${this.owner}/${String(order).padStart(16, '0')}`;
    const message = { id, target, epoch, text, order, state: 'waiting', wasSent: false, after: 0, isStored: true };
    this.messages.push(message);
    this.#save(message);
    return message;
  }

  /**
   * Takes over the messages of another outbox, as many as there is room for.
   * @param {Outbox} other
   * @param {(message: Outgoing) => Partial<Outgoing>} change Their states here.
   */
  adopt(other, change) {
    for (const message of [...other.messages]) {
      const { target, epoch, text, state, code, wasSent, after } = message;
      const adopted = this.add(target, epoch, text);
      if (!adopted) return;
      this.update(adopted, { state, code, wasSent, after, ...change(message) });
      other.remove(message);
    }
  }

  /** The messages of a conversation that may be sent now. A later one never overtakes an earlier one. */
  ready(target) {
    const messages = this.of(target).filter((message) => message.state === 'waiting' || message.state === 'sent');
    const firstWaiting = messages.findIndex((message) => message.state === 'waiting');
    return firstWaiting < 0 ? [] : messages.slice(firstWaiting, WINDOW).filter((message) => message.state === 'waiting');
  }

  /** The conversations of messages, or of those in one state. */
  targets(state = null) {
    const messages = this.messages.filter((message) => state === null || message.state === state);
    return [...new Map(messages.map(({ target }) => [fold(target), target])).values()];
  }

  /** Number of messages that will be sent without a question. */
  get waiting() {
    return this.messages.filter(({ state }) => state === 'waiting' || state === 'sent').length;
  }

  /** @param {Outgoing} message @param {Partial<Outgoing>} change */
  update(message, change) {
    Object.assign(message, change);
    this.#save(message);
  }

  /** Gives a message a new number: the server has skipped the old one, or has it not any more (§16.4, rule 4). */
  renumber(message, least = 1) {
    const { target, epoch, text } = message;
    this.remove(message);
    return this.add(target, epoch, text, least);
  }

  /** The message is this record. A record confirms one message only, also among those with the same text. */
  confirm(message, seq) {
    this.remove(message);
    if (this.isNumbered) return;
    for (const other of this.of(message.target)) if (other.wasSent && other.after < seq) this.update(other, { after: seq });
  }

  /** The server has stored the message, or the user has discarded it. */
  remove(message) {
    const at = this.messages.indexOf(message);
    if (at < 0) return;
    this.messages.splice(at, 1);
    this.storage.remove(message.id);
    this.emit('changed', message.target);
  }

  /** The connection has ended. Numbered messages are sent again; of others, the outcome is not known. */
  disconnected() {
    for (const message of this.messages) {
      if (message.state === 'sent') this.update(message, { state: this.isNumbered ? 'waiting' : 'unsure' });
    }
  }

  /** Another window is the owner from now on: this one writes nothing to the storage any more. */
  release() {
    this.storage = new Storage(null);
    this.messages = [];
  }

  #save(message) {
    // An answer can come for a message that the user has discarded meanwhile.
    if (this.messages.includes(message)) message.isStored = this.storage.set(message.id, { ...message, isStored: true });
    this.emit('changed', message.target);
  }
}
