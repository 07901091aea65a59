/**
 * Private chats of guests: CONNECT, MSG and FROM of version 1 (docs/protocol.md §4 and §15.6). They are stored nowhere, so
 * they end with the connection, and the page keeps their lines only while it is open.
 *
 * Events: `changed`, `message` (chat, message).
 */
import { Emitter } from './emitter.js';
import { encode, fold, isRoom, splitAuthor } from './protocol.js';

/** Lines of one chat, at most. The oldest leave first. */
const LINES_MAX = 1_000;

/** @typedef {{ id: string, author: string, text: string, at: Date, isOwn: boolean, isNote: boolean, raw: string }} ChatLine */

/** A chat with one person. */
class Chat {
  constructor(name) {
    this.name = name;
    /** @type {ChatLine[]} */
    this.lines = [];
    this.unread = 0;
  }
}

export class Chats extends Emitter {
  /** @param {import('./requests.js').Requests} requests */
  constructor(requests) {
    super();
    this.requests = requests;
    /** @type {Map<string, Chat>} By folded name. */
    this.byKey = new Map();
    /** The folded name of the present partner, or ''. */
    this.partner = '';
    this.count = 0;
  }

  all() {
    return [...this.byKey.values()];
  }

  ensure(name) {
    const chat = this.byKey.get(fold(name)) ?? new Chat(name);
    this.byKey.set(fold(name), chat);
    return chat;
  }

  find(name) {
    return this.byKey.get(fold(name));
  }

  /** Opens a chat with somebody who is here. Ends the one before it. */
  async connect(name) {
    if (this.partner === fold(name)) return this.ensure(name);
    if (this.partner !== '') await this.disconnect();
    const { line } = await this.requests.send(encode({ verb: 'CONNECT', words: [name] }));
    const chat = this.ensure(line.words[0]);
    this.partner = fold(chat.name);
    this.#note(chat, 'The chat begins. It is stored nowhere.', line.raw);
    return chat;
  }

  /** Sends a text to the partner of this chat, and connects first if need be. */
  async say(chat, text) {
    await this.connect(chat.name);
    await this.requests.send(encode({ verb: 'MSG', text }));
    this.#add(chat, { author: '', text, isOwn: true, isNote: false, raw: encode({ verb: 'MSG', text }) });
  }

  async disconnect() {
    const chat = this.byKey.get(this.partner);
    await this.requests.send('DISCONNECT');
    this.partner = '';
    if (chat) this.#note(chat, 'You have ended the chat.', 'DISCONNECT_OK');
  }

  /** Handles the lines of version 1 that come unasked. */
  receive(line) {
    const { verb, rest, tags, raw } = line;
    if (verb === 'INCOMING_CONNECTION' && !isRoom(rest)) {
      this.partner = fold(rest);
      this.#note(this.ensure(rest), `${rest} has opened a private chat with you. It is stored nowhere.`, raw);
    } else if (verb === 'FROM' && tags.seq === undefined) {
      const { author, text } = splitAuthor(line);
      const chat = this.ensure(author);
      chat.unread += 1;
      this.#add(chat, { author, text, isOwn: false, isNote: false, raw });
    } else if (verb === 'PEER_DISCONNECTED') {
      this.#ended(raw);
    }
  }

  disconnected() {
    if (this.partner !== '') this.#ended('');
  }

  #ended(raw) {
    const chat = this.byKey.get(this.partner);
    this.partner = '';
    if (chat) this.#note(chat, 'The chat has ended.', raw);
  }

  #note(chat, text, raw) {
    this.#add(chat, { author: '', text, isOwn: false, isNote: true, raw });
  }

  #add(chat, line) {
    this.count += 1;
    const added = { ...line, id: `chat ${this.count}`, at: new Date() };
    chat.lines.push(added);
    if (chat.lines.length > LINES_MAX) chat.lines.shift();
    this.emit('message', chat, added);
    this.emit('changed');
  }
}
