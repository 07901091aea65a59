/**
 * The client without its views: connects, logs in, resumes, and offers the page's actions. docs/protocol.md §16.8 gives
 * the order of the steps after a loss.
 *
 * Events: `state` (see `state`), `refused` (the code that ended a login), `notice` (a sentence for the user), `line` and
 * `sent` (each line of the wire), `outbox` (a message has changed), `online` (after each login), `reset` (another user).
 */
import { AccountStore } from './account_store.js';
import { Chats } from './chats.js';
import { Connection } from './connection.js';
import { Conversations } from './conversations.js';
import { DeviceLock } from './device_lock.js';
import { Emitter } from './emitter.js';
import { errorSentence } from './error_sentences.js';
import { Outbox } from './outbox.js';
import { Presence } from './presence.js';
import { Reader } from './reader.js';
import { FINAL_ERRORS, Disconnected, Requests } from './requests.js';
import { Sender } from './sender.js';
import { encode, fold, isRoom, parseLine } from './protocol.js';
import { logIn } from './session.js';

/** After these errors a client does not connect again by itself (§16.8). */
const NO_RETURN = new Set(['DISPLACED', 'REVOKED']);

/** Time in which the server may still hold a guest's name for the lost connection, in milliseconds. */
const NAME_PATIENCE = 90_000;

export class Client extends Emitter {
  /** @param {string} url @param {ReturnType<typeof import('./storage.js').openStorage>} storage */
  constructor(url, storage) {
    super();
    this.storage = storage;
    this.accounts = new AccountStore(storage);
    this.connection = new Connection(url);
    /** @type {?import('./session.js').Identity} */
    this.identity = null;
    this.greeting = null;
    /**
     * `out` (nobody is logged in), `connecting`, `online`, `offline` (it will connect again), `elsewhere` (another tab or
     * window has the device).
     */
    this.state = 'out';
    this.nextAttempt = 0;
    this.nameLostAt = 0;
    this.lock = new DeviceLock(() => this.#leave('elsewhere'));
    this.#reset();
    this.#listen();
  }

  /** Forgets everything that belonged to the last user. */
  #reset() {
    this.requests = new Requests((line) => this.connection.send(line));
    this.conversations = new Conversations();
    this.reader = new Reader(this.requests, this.conversations);
    this.presence = new Presence(this.requests);
    this.chats = new Chats(this.requests);
    this.outbox = new Outbox(this.storage.tab, 'nobody');
    this.sender = new Sender(this.requests, this.outbox, this.conversations);
    this.conversations.on('record', (conversation, record) => this.#confirm(conversation, record));
    this.conversations.on('live', (conversation) => this.#beginMarker(conversation));
    this.wasOnline = false;
  }

  #listen() {
    this.connection.on('open', () => this.#begin());
    this.connection.on('line', (raw) => this.#receive(raw));
    this.connection.on('sent', (raw) => this.emit('sent', raw));
    this.connection.on('closed', () => this.#lost());
    this.connection.on('silence', () => this.requests.send('PING').catch(() => {}));
    this.connection.on('waiting', (pause) => {
      this.nextAttempt = Date.now() + pause;
      this.emit('state');
    });
  }

  get isGuest() {
    return this.identity?.kind === 'guest';
  }

  get name() {
    return this.greeting?.name ?? this.identity?.name ?? '';
  }

  // -- Who this is ---------------------------------------------------------------------------------------------------

  /** Takes a name without an account. */
  enterAsGuest(name) {
    this.#become({ kind: 'guest', name }, this.storage.tab, `guest/${fold(name)}`);
  }

  /** Logs in with a password. The server gives this browser a token in its place. */
  enterWithPassword(name, secret) {
    return this.#enterAccount({ kind: 'account', name, device: this.accounts.deviceFor(name), proof: 'password', secret });
  }

  /** Logs in with the token of this browser. Another tab may have the device: then `steal` takes it over. */
  enterWithToken({ steal = false } = {}) {
    const { name, device, token } = this.accounts.account;
    return this.#enterAccount({ kind: 'account', name, device, proof: 'token', secret: token }, steal);
  }

  async #enterAccount(identity, steal = false) {
    const owner = `${fold(identity.name)}/${fold(identity.device)}`;
    if (await this.lock.acquire(owner, { steal })) this.#become(identity, this.storage.local, owner);
    else this.#leave('elsewhere');
  }

  #become(identity, storage, owner) {
    if (this.identity === null || fold(this.identity.name) !== fold(identity.name)) this.#resetFor(storage, owner);
    this.identity = identity;
    this.#setState('connecting');
    this.connection.start();
  }

  #resetFor(storage, owner) {
    this.#reset();
    this.#own(storage, owner);
    this.emit('reset');
  }

  /** The outbox is that of this user from now on. */
  #own(storage, owner) {
    this.outbox = new Outbox(storage, owner);
    this.sender = Object.assign(new Sender(this.requests, this.outbox, this.conversations), { isOnline: this.sender.isOnline });
    this.outbox.on('changed', () => this.emit('outbox'));
  }

  /** Ends the session. An account's token is replaced by one that nobody knows, so the stored one is worthless. */
  async signOut() {
    const isAccount = this.identity?.kind === 'account';
    this.accounts.forget();
    if (isAccount && this.state === 'online') await this.requests.send('TOKEN').catch(() => {});
    this.#leave('out');
    this.identity = null;
  }

  /** Makes the guest's name an account, whose device `main` is this browser. */
  async claim(secret) {
    const { line } = await this.requests.send(encode({ verb: 'CLAIM', words: ['password'], text: secret }));
    const name = line.words[0];
    const owner = `${fold(name)}/main`;
    const unsent = [...this.outbox.messages];
    await this.lock.acquire(owner);
    this.identity = { kind: 'account', name, device: 'main', proof: 'password', secret };
    this.outbox.clear();
    this.#own(this.storage.local, owner);
    this.sender.isNumbered = true;
    for (const { target, epoch, text } of unsent) this.outbox.add(target, epoch, text);
    await this.#takeToken();
    await this.#joinAsMember();
    this.emit('state');
  }

  /** The rooms that the guest had open are those of the account. */
  async #joinAsMember() {
    this.#joinAll();
    await this.requests.send('CONVERSATIONS').catch(() => {});
    this.sender.sendAll();
  }

  /** For a guest, JOIN makes a room anew that the server has forgotten. */
  #joinAll() {
    for (const { target } of this.reader.wanted) this.requests.send(encode({ verb: 'JOIN', words: [target] })).catch(() => {});
  }

  async #takeToken() {
    const { line } = await this.requests.send('TOKEN');
    const { name, device } = this.identity;
    this.identity = { kind: 'account', name, device, proof: 'token', secret: line.words[0] };
    this.accounts.keepAccount(name, device, line.words[0]);
  }

  // -- A connection begins and ends ----------------------------------------------------------------------------------

  async #begin() {
    this.#setState('connecting');
    try {
      this.greeting = await logIn(this.requests, this.identity);
      await this.#resume();
    } catch (error) {
      if (!(error instanceof Disconnected)) this.#loginRefused(error.code ?? String(error));
    }
  }

  /** The steps of §16.8, without waiting for answers. */
  async #resume() {
    const isAccount = this.identity.kind === 'account';
    this.nameLostAt = 0;
    this.sender.isNumbered = isAccount;
    this.sender.isOnline = true;
    if (isAccount) this.sender.sendAll();
    const listed = isAccount ? this.requests.send('CONVERSATIONS') : Promise.resolve();
    if (!isAccount) this.#joinAll();
    this.reader.resume();
    this.presence.start().catch(() => {});
    this.#setState('online');
    if (isAccount && this.identity.proof === 'password') await this.#takeToken();
    if (!isAccount) this.accounts.keepGuest(this.name);
    await listed;
    const isFirst = !this.wasOnline;
    this.wasOnline = true;
    this.emit('online', { isFirst });
    if (!isAccount) this.sender.sendAll();
  }

  #loginRefused(code) {
    const isLastName = code === 'NAME_TAKEN' && this.isGuest && this.wasOnline;
    if (isLastName) this.nameLostAt ||= Date.now();
    const mayPass = isLastName ? Date.now() - this.nameLostAt < NAME_PATIENCE : code === 'UNAVAILABLE' || code === 'STORE_FULL';
    if (mayPass) {
      // The server still holds the name for the lost connection, or cannot read its accounts now.
      this.connection.restart();
      return;
    }
    if (code === 'LOGIN_FAILED' && this.identity?.proof === 'token') this.accounts.forget();
    this.#leave('out');
    this.emit('refused', code, this.identity);
  }

  #lost() {
    this.requests.abandon();
    this.conversations.disconnected();
    this.outbox.disconnected(this.sender.isNumbered);
    this.chats.disconnected();
    this.sender.isOnline = false;
    if (this.state === 'online' || this.state === 'connecting') this.#setState('offline');
  }

  /** Stops without coming back. */
  #leave(state) {
    this.#setState(state);
    this.connection.stop();
    if (state === 'out') this.lock.release();
  }

  #setState(state) {
    this.state = state;
    this.emit('state');
  }

  // -- Lines ---------------------------------------------------------------------------------------------------------

  #receive(raw) {
    this.emit('line', raw);
    const line = parseLine(raw);
    const isAnswer = this.requests.receive(line);
    this.conversations.receive(line, isAnswer);
    this.presence.receive(line);
    this.chats.receive(line);
    if (line.verb === 'ERROR' && !isAnswer) this.#unasked(line.words[0]);
  }

  #unasked(code) {
    if (NO_RETURN.has(code)) {
      if (code === 'REVOKED') {
        this.accounts.forgetDevice(this.name);
        this.accounts.forget();
      }
      this.#leave(code === 'DISPLACED' ? 'elsewhere' : 'out');
      this.emit('refused', code, this.identity);
    } else if (!FINAL_ERRORS.has(code)) {
      this.emit('notice', errorSentence(code));
    }
  }

  /** The record of an own message: the outbox need not hold it any more. */
  #confirm(conversation, record) {
    if (record.verb !== 'FROM') return;
    const isOwn = this.isGuest ? record.by === null && record.author === this.name : record.n !== null;
    if (!isOwn) return;
    const isIt = (message) =>
      this.isGuest ? message.wasSent && message.text === record.text && record.seq > message.after : message.order === record.n;
    const message = this.outbox.of(conversation.target).find(isIt);
    if (message) this.outbox.remove(message);
  }

  /** A guest has no marker on the server: it begins at the end of a conversation. */
  #beginMarker(conversation) {
    if (this.isGuest && conversation.read === 0) conversation.read = conversation.last;
  }

  // -- Actions -------------------------------------------------------------------------------------------------------

  /** Joins a room and opens it, or opens a direct conversation. Rejects with the server's refusal. */
  async join(target) {
    const conversation = this.conversations.ensure(target);
    if (isRoom(target) && this.state === 'online') {
      const joined = this.requests.send(encode({ verb: 'JOIN', words: [target] }));
      const opened = this.reader.want(conversation, this.isGuest);
      await joined.catch((error) => {
        // A room that only its members may join can still be readable.
        if (error.code !== 'NOT_ALLOWED' && error.code !== 'NOT_LOGGED_IN') throw error;
      });
      await opened;
    } else {
      await this.reader.want(conversation, this.isGuest);
    }
    return conversation;
  }

  /** Opens a known conversation. */
  async show(conversation) {
    if (conversation.isRoom && conversation.topic === null && this.state === 'online') this.#learnTopics().catch(() => {});
    if (this.state === 'online') await this.reader.want(conversation, this.isGuest);
    else if (!this.reader.wanted.includes(conversation)) this.reader.wanted.push(conversation);
  }

  /** Only ROOMS gives the topic of a room whose record is far back. */
  async #learnTopics() {
    const { list } = await this.ask({ verb: 'ROOMS' });
    for (const { words: [target, , ...topic] } of list) {
      const conversation = this.conversations.find(target);
      if (conversation) conversation.topic ??= topic.join(' ');
    }
    this.conversations.emit('list');
  }

  /** Leaves a room, or closes a direct conversation. */
  async leave(conversation) {
    if (conversation.isRoom && !this.isGuest) await this.requests.send(encode({ verb: 'LEAVE', words: [conversation.target] }));
    this.reader.unwant(conversation);
    this.conversations.remove(conversation);
  }

  /** Writes a message into the outbox, and sends it when the server can be reached. */
  say(conversation, text) {
    const message = this.outbox.add(conversation.target, conversation.epoch, text);
    if (!message) this.emit('notice', 'Too many messages wait to be sent: this one was not accepted.');
    this.sender.send(conversation.target);
    return message !== null;
  }

  /** Sends a refused or unsure message once more. */
  sayAgain(message) {
    const renewed = this.outbox.renumber(message);
    const epoch = this.conversations.find(renewed.target)?.epoch ?? '';
    this.outbox.update(renewed, { epoch });
    this.sender.send(renewed.target);
  }

  /** Moves the read marker. A guest's marker exists only in this page. */
  markRead(conversation) {
    if (conversation.read >= conversation.last) return;
    const seq = conversation.last;
    conversation.read = seq;
    this.conversations.emit('list');
    if (!this.isGuest) this.ask({ verb: 'READ', words: [conversation.target, seq] }).catch(() => {});
  }

  /** Sends a request and returns its answer. */
  ask(request) {
    return this.requests.send(encode(request));
  }

  /** Sends a line that the user has typed. */
  sendRaw(line) {
    return this.requests.send(line);
  }
}
