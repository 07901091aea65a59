/**
 * Sends the messages of the outbox in order, and handles the answers: docs/protocol.md §16.4 and §16.6.
 */
import { encode, fold, isRoom } from './protocol.js';
import { Disconnected } from './requests.js';

/** Pause before a message is sent again that the server could not store, in milliseconds. */
const STORE_PAUSE = 2_000;

/** Numbers from the clock (see outbox.js) are above this, and others are below. */
const CLOCK_NUMBER_MIN = 1_000_000_000_000;

export class Sender {
  /**
   * @param {import('./requests.js').Requests} requests
   * @param {import('./outbox.js').Outbox} outbox
   * @param {import('./conversations.js').Conversations} conversations
   */
  constructor(requests, outbox, conversations) {
    this.requests = requests;
    this.outbox = outbox;
    this.conversations = conversations;
    this.isOnline = false;
    this.paused = new Set();
  }

  /** Sends everything that waits. */
  sendAll() {
    for (const target of this.outbox.targets('waiting')) this.send(target);
  }

  /** Sends the messages of a conversation that may leave now. */
  send(target) {
    if (!this.isOnline || this.paused.has(fold(target))) return;
    for (const message of this.outbox.ready(target)) {
      const isSame = this.#isSameConversation(message);
      if (isSame === null) return;
      if (isSame) this.#sendOne(message);
      else this.outbox.update(message, { state: 'refused', code: 'OTHER_CONVERSATION' });
    }
  }

  /** People whose conversation the server has not named since the login, so that messages to them wait. */
  unconfirmed() {
    return this.outbox.targets('waiting').filter((target) => this.outbox.ready(target).some((message) => this.#isSameConversation(message) === null));
  }

  /** Refuses the waiting messages of a conversation. */
  refuse(target, code) {
    for (const message of this.outbox.of(target)) {
      if (message.state === 'waiting') this.outbox.update(message, { state: 'refused', code });
    }
  }

  /**
   * Whether a name still means the conversation in which the message was written: another account may have it now. Null
   * if the server has not named the conversation since the login.
   */
  #isSameConversation({ target, epoch }) {
    if (isRoom(target) || epoch === '') return true;
    const conversation = this.conversations.find(target);
    return conversation?.isConfirmed ? conversation.epoch === epoch : null;
  }

  async #sendOne(message) {
    const wasSent = message.wasSent;
    const after = this.conversations.find(message.target)?.timeline.last ?? 0;
    this.outbox.update(message, { state: 'sent', wasSent: true, after });
    try {
      await this.requests.send(this.lineOf(message));
      this.outbox.remove(message);
    } catch (error) {
      if (error instanceof Disconnected) {
        if (!error.wasSent) this.outbox.update(message, { state: 'waiting', wasSent });
        return;
      }
      this.#refused(message, wasSent, error.code);
    }
    this.send(message.target);
  }

  /** The line that carries a message. */
  lineOf({ target, text, order }) {
    return encode({ verb: 'SAY', words: [target], text, n: this.outbox.isNumbered ? order : undefined });
  }

  #refused(message, wasSent, code) {
    if (code === 'UNAVAILABLE' && !this.outbox.isNumbered) {
      // It may be stored after all. Then its record comes as soon as the store works again.
      this.outbox.update(message, { state: 'unsure' });
    } else if (code === 'UNAVAILABLE' || code === 'STORE_FULL') {
      this.outbox.update(message, { state: 'waiting' });
      this.#pause(message.target);
    } else if (code === 'STALE' && wasSent && !this.#mayHaveExpired(message)) {
      this.outbox.renumber(message);
    } else if (code === 'STALE' && !wasSent && message.order < CLOCK_NUMBER_MIN) {
      // The device has used a higher number, which the browser could not keep.
      this.outbox.renumber(message, Date.now());
    } else {
      this.outbox.update(message, { state: 'refused', code });
    }
  }

  /** A conversation that drops old records may have dropped this one, too: only its author can decide (§16.4). */
  #mayHaveExpired(message) {
    return (this.conversations.find(message.target)?.first ?? 1) > 1;
  }

  #pause(target) {
    const key = fold(target);
    if (this.paused.has(key)) return;
    this.paused.add(key);
    setTimeout(() => {
      this.paused.delete(key);
      this.send(target);
    }, STORE_PAUSE);
  }
}
