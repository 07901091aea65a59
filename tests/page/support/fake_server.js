// A server in memory under the WebSocket of the page, so that checks reach client.js and everything below it. It knows
// the parts of docs/protocol.md that the checks need, stores each numbered message once (§16.4), and fails on request.

/** A storage in memory, as that of a browser. After `isFull`, it takes no values. */
class FakeArea {
  values = new Map();
  isFull = false;

  get length() { return this.values.size; }
  key(at) { return [...this.values.keys()][at]; }
  getItem(key) { return this.values.get(key) ?? null; }
  removeItem(key) { this.values.delete(key); }
  setItem(key, value) {
    if (this.isFull) throw new Error('full');
    this.values.set(key, value);
  }
}

class FakeServer {
  /** Names of accounts and guests that are here, and the passwords and ids of accounts. */
  accounts = new Map();
  guests = new Set();
  conversations = new Map();
  /** The present socket of each device. */
  sockets = new Set();
  /** Each line that a page has sent. */
  heard = [];
  /** Answers in place of the usual ones: a function from a line to a list of lines, or undefined. */
  override = () => undefined;
  /** Whether lines of the server are lost. */
  isMute = false;
  isDown = false;
  nextId = 1;

  /** An account that exists already. */
  account(name, password = 'mellon') {
    const account = { name, id: this.nextId, password, tokens: new Map(), numbers: new Map() };
    this.nextId += 1;
    this.accounts.set(name.toLowerCase(), account);
    return account;
  }

  /** A conversation with `count` records by another person. */
  conversation(target, { epoch = `e${this.conversations.size + 1}`, count = 0, members = [] } = {}) {
    const conversation = { target, epoch, records: [], members: new Set(members), read: 0 };
    for (let seq = 1; seq <= count; seq += 1) conversation.records.push({ verb: 'FROM', author: 'Dana', by: '99', text: `old ${seq}` });
    this.conversations.set(target.toLowerCase(), conversation);
    return conversation;
  }

  /** The texts that are stored. */
  texts(target) {
    return (this.conversations.get(target.toLowerCase())?.records ?? []).filter(({ verb }) => verb === 'FROM').map(({ text }) => text);
  }

  /** Adds a record, and sends it to everybody who has the conversation open. */
  record(target, record) {
    const conversation = this.conversations.get(target.toLowerCase());
    conversation.records.push(record);
    for (const socket of this.sockets) if (socket.open.has(conversation)) socket.hear(lineOf(conversation, conversation.records.length, socket));
    return conversation.records.length;
  }

  /** Ends all connections, as a failing network does. */
  cut() {
    for (const socket of [...this.sockets]) socket.lose();
  }

  /** The classes of a browser that the page finds in place of its own. */
  install() {
    globalThis.WebSocket = class extends FakeSocket {
      constructor() { super(FakeServer.current); }
    };
    FakeServer.current = this;
    return this;
  }

  answer(socket, raw) {
    const [, tags, verb, rest] = /^(@\S* )?(\S+) ?(.*)$/.exec(raw);
    const [target, second, third] = rest.split(' ');
    const n = tags === undefined ? null : Number(/n=(\d+)/.exec(tags)[1]);
    const handler = FakeServer.handlers[verb];
    return handler ? handler({ server: this, socket, target, second, third, rest, n }) : [`${verb}_OK${target ? ` ${target} 1` : ''}`];
  }
}

class FakeSocket {
  static OPEN = 1;
  readyState = 0;
  open = new Set();
  name = '';
  device = '';
  /** Lines of the server that have not arrived. */
  coming = [];

  constructor(server) {
    this.server = server;
    setTimeout(() => (server.isDown ? this.lose() : this.begin()));
  }

  begin() {
    this.readyState = 1;
    this.server.sockets.add(this);
    this.onopen?.();
    this.hear('WELCOME');
  }

  send(raw) {
    this.server.heard.push(raw);
    const lines = this.server.override(raw, this) ?? this.server.answer(this, raw);
    for (const line of lines) this.hear(line);
  }

  /** A line of the server arrives, in a task of its own. Lines keep their order, also if their timers do not. */
  hear(line) {
    if (this.server.isMute) return;
    this.coming.push(line);
    setTimeout(() => {
      const data = this.coming.shift();
      if (this.readyState === 1) this.onmessage?.({ data });
    });
  }

  lose() {
    this.close();
    this.onclose?.();
  }

  close() {
    this.readyState = 3;
    this.server.sockets.delete(this);
    if (this.device === '') this.server.guests.delete(this.name.toLowerCase());
  }
}

FakeServer.handlers = {
  HELLO: () => ['HELLO_OK 2 fake accounts rooms search durable'],
  REGISTER({ server, socket, target }) {
    const key = target.toLowerCase();
    if (server.accounts.has(key) || server.guests.has(key)) return ['ERROR NAME_TAKEN'];
    server.guests.add(key);
    socket.name = target;
    return [`REGISTER_OK ${target}`];
  },
  LOGIN({ server, socket, target, second, third, rest }) {
    const account = server.accounts.get(target.toLowerCase());
    const secret = rest.split(' ').slice(3).join(' ');
    const isRight = account && (third === 'password' ? account.password === secret : account.tokens.get(second) === secret);
    if (!isRight) return ['ERROR LOGIN_FAILED'];
    for (const other of server.sockets) if (other.name === account.name && other.device === second) other.hear('ERROR DISPLACED');
    Object.assign(socket, { name: account.name, device: second });
    return [`LOGIN_OK ${account.name} ${second}`];
  },
  CLAIM({ server, socket, rest }) {
    server.account(socket.name, rest.slice('password '.length));
    server.guests.delete(socket.name.toLowerCase());
    socket.device = 'main';
    return [`CLAIM_OK ${socket.name}`];
  },
  TOKEN({ server, socket }) {
    const token = `token-${(server.nextId += 1)}`;
    server.accounts.get(socket.name.toLowerCase()).tokens.set(socket.device, token);
    return [`TOKEN_OK ${token}`];
  },
  CONVERSATIONS({ server, socket }) {
    const own = [...server.conversations.values()].filter(({ members }) => socket.device !== '' && members.has(socket.name));
    const lines = own.map(({ target, epoch, records, read }) => `CONVERSATION ${target} ${epoch} 1 ${records.length} ${read}`);
    return [...lines, `CONVERSATIONS_OK ${own.length}`];
  },
  JOIN({ server, socket, target }) {
    const room = server.conversations.get(target.toLowerCase()) ?? server.conversation(target);
    if (socket.device !== '') room.members.add(socket.name);
    return [`JOIN_OK ${room.target} ${room.records.length}`];
  },
  LEAVE({ server, socket, target }) {
    server.record(target, { verb: 'LEFT', author: socket.name, by: '1', text: '' });
    const room = server.conversations.get(target.toLowerCase());
    socket.open.delete(room);
    return [`LEAVE_OK ${room.target} ${room.records.length}`];
  },
  OPEN({ server, socket, target, second, third }) {
    const conversation = server.conversations.get(target.toLowerCase());
    if (!conversation) return [`ERROR ROOM_NOT_FOUND ${target}`];
    const { epoch, records } = conversation;
    socket.open.add(conversation);
    const isValid = second === epoch && Number(third) <= records.length;
    const replay = isValid ? records.slice(Number(third)).map((_, at) => lineOf(conversation, Number(third) + at + 1, socket)) : [];
    const lost = second !== undefined && !isValid ? [`GAP ${conversation.target} 0 0 LOST`] : [];
    return [`OPEN_OK ${conversation.target} ${epoch} 1 ${records.length}`, ...lost, ...replay, `LIVE ${conversation.target} ${records.length}`];
  },
  CLOSE({ server, socket, target }) {
    socket.open.delete(server.conversations.get(target.toLowerCase()));
    return [`CLOSE_OK ${target}`];
  },
  HISTORY({ server, socket, target, second, third }) {
    const conversation = server.conversations.get(target.toLowerCase());
    const end = Math.min(conversation.records.length, Number(second) - 1);
    const start = Math.max(1, end - Number(third) + 1);
    const lines = [];
    for (let seq = start; seq <= end; seq += 1) lines.push(lineOf(conversation, seq, socket, ';past=1'));
    return [...lines, `HISTORY_OK ${conversation.target} ${lines.length > 0 ? `${start} ${end}` : '0 0'}`];
  },
  SAY({ server, socket, target, rest, n }) {
    const tag = n === null ? '' : `@n=${n} `;
    const conversation = server.conversations.get(target.toLowerCase());
    if (!conversation) return [`${tag}ERROR USER_NOT_FOUND ${target}`];
    const numbers = server.accounts.get(socket.name.toLowerCase())?.numbers ?? new Map();
    const [key, last] = [`${socket.device} ${conversation.epoch} ${n}`, `${socket.device} ${conversation.epoch} last`];
    if (n !== null && numbers.has(key)) return [`${tag}SAID ${conversation.target} ${numbers.get(key)}`];
    if (n !== null && n < (numbers.get(last) ?? 0)) return [`${tag}ERROR STALE ${target}`];
    const by = socket.device === '' ? null : '1';
    const seq = server.record(target, { verb: 'FROM', author: socket.name, by, text: rest.slice(target.length + 1), n, socket });
    if (n !== null) numbers.set(key, seq).set(last, n);
    return [`${tag}SAID ${conversation.target} ${seq}`];
  },
  READ({ server, target, second }) {
    const conversation = server.conversations.get(target.toLowerCase());
    conversation.read = Math.max(conversation.read, Number(second));
    return [`READ_OK ${conversation.target} ${conversation.read}`];
  },
  WATCH: () => ['WATCH_OK'],
  WHO: ({ server, rest }) => (rest === '' ? [`USERS ${[...server.guests].join()}`] : ['ERROR UNKNOWN_COMMAND']),
  PING: () => ['PONG'],
  ROOMS: () => ['ROOMS_OK 0'],
  MEMBERS: ({ target }) => [`MEMBERS_OK ${target} 0`],
  SEARCH: ({ target }) => [`SEARCH_OK ${target} 0`],
  READERS: ({ target, second }) => [`READERS ${target} ${second} `],
};

/** A record as a line. Only the device that sent it gets its number. */
function lineOf(conversation, seq, socket, more = '') {
  const { verb, author, by, text, n, socket: author_socket } = conversation.records[seq - 1];
  const isOwn = n && author_socket && author_socket.name === socket.name && author_socket.device === socket.device;
  const tags = `@${isOwn ? `n=${n};` : ''}in=${conversation.target};seq=${seq};at=2026-11-28T22:10:37.123Z${by === null ? '' : `;by=${by}`}${more}`;
  return `${tags} ${verb} ${author}${verb === 'FROM' || verb === 'TOPIC' ? `: ${text}` : text === '' ? '' : ` ${text}`}`;
}

/** Waits until a condition holds, for two seconds at most. Returns whether it does. */
async function until(condition) {
  const deadline = performance.now() + 2_000;
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  return Boolean(condition());
}

/** A page without views: a client with the storage of a browser (`local`) and of a tab. */
async function openClient(server, { local = new FakeArea(), tab = new FakeArea() } = {}) {
  const { Client } = await import('/client.js');
  const { Storage } = await import('/storage.js');
  server.install();
  const client = new Client('ws://fake', { local: new Storage(local), tab: new Storage(tab) });
  const events = [];
  for (const name of ['refused', 'notice', 'ended', 'taken', 'reset']) client.on(name, (...values) => events.push([name, ...values]));
  const unsent = () => client.outbox.messages.map(({ text, state, code }) => [text, state, code].filter(Boolean).join(' '));
  /** The page ends without a word, as one that is closed or loaded again. */
  const close = async () => {
    client.lock.onLost = () => {};
    const { messages } = client.outbox;
    client.outbox.messages = [];
    client.connection.stop();
    client.outbox.messages = messages;
    await client.lock.release();
  };
  const online = () => until(() => client.state === 'online' && client.wasOnline);
  return { client, events, unsent, close, online, local, tab };
}
