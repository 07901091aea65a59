// Messages that wait, and the lines that send them: crates/server/web/outbox.js, sender.js and conversations.js.
const { Outbox } = await import('/outbox.js');
const { Sender } = await import('/sender.js');
const { Storage } = await import('/storage.js');
const { Requests } = await import('/requests.js');
const { Conversations } = await import('/conversations.js');
const { parseLine } = await import('/protocol.js');

/** A storage in memory, as that of a browser. */
function area() {
  const values = new Map();
  return {
    get length() { return values.size; },
    key: (at) => [...values.keys()][at],
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
    removeItem: (key) => values.delete(key),
  };
}

function start(storage, owner = 'noy/web') {
  const sent = [];
  const requests = new Requests((line) => Boolean(sent.push(line)));
  const conversations = new Conversations();
  const outbox = new Outbox(storage, owner, true);
  const sender = Object.assign(new Sender(requests, outbox, conversations), { isOnline: true });
  const hear = async (...lines) => {
    for (const line of lines) {
      requests.receive(parseLine(line));
      conversations.receive(parseLine(line));
      await Promise.resolve();
      await Promise.resolve();
    }
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { sent, requests, conversations, outbox, sender, hear };
}

const storage = new Storage(area());
let one = start(storage);
one.outbox.add('#lab', '', 'first');
one.outbox.add('#lab', '', 'second');
one.sender.sendAll();
check('each message has a number', one.sent, ['@n=1 SAY #lab first', '@n=2 SAY #lab second']);
await one.hear('@n=1 SAID #lab 7');
check('a stored message leaves', one.outbox.messages.map(({ text, state }) => `${text} ${state}`), ['second sent']);

one = start(storage);
one.sender.sendAll();
check('after a new start, the same number', one.sent, ['@n=2 SAY #lab second']);
one.outbox.add('#lab', '', 'third');
one.sender.sendAll();
check('numbers rise', one.sent.at(-1), '@n=3 SAY #lab third');
await one.hear('@n=2 SAID #lab 8', '@n=3 SAID #lab 9');
check('nothing is left', [one.outbox.messages, storage.keys('outbox/')], [[], []]);

one = start(storage);
one.outbox.add('#lab', '', 'again');
one.sender.sendAll();
one.requests.abandon();
one.outbox.disconnected();
one.sender.sendAll();
check('a lost answer: the same number again', one.sent, ['@n=4 SAY #lab again', '@n=4 SAY #lab again']);
await one.hear('@n=4 ERROR STALE #lab');
check('skipped: a new number', one.sent.at(-1), '@n=5 SAY #lab again');
await one.hear('@n=5 ERROR NOT_ALLOWED #lab');
check('refused: kept, with its reason', one.outbox.messages.map(({ state, code }) => [state, code]), [['refused', 'NOT_ALLOWED']]);
one.outbox.add('#lab', '', 'later');
one.sender.sendAll();
check('a refused message holds up nobody', one.sent.at(-1), '@n=6 SAY #lab later');

one = start(new Storage(area()));
one.outbox.add('#lab', '', 'x');
one.sender.sendAll();
await one.hear('@n=1 ERROR UNAVAILABLE #lab');
check('not stored: it waits', [one.outbox.messages[0].state, one.sent.length], ['waiting', 1]);

const full = new Storage({ get length() { return 0; }, key: () => null, getItem: () => null, setItem() { throw new Error('full'); }, removeItem() {} });
one = start(full);
const kept = one.outbox.add('#lab', '', 'x');
check('a browser that keeps nothing is named', kept.isStored, false);
check('and still numbers its messages', one.outbox.add('#lab', '', 'y').order > kept.order, true);

// Conversations: epochs, renames, read markers.
const conversations = new Conversations();
const hear = (line) => conversations.receive(parseLine(line));
hear('CONVERSATION #lab e1 1 10 4');
check('unread', [conversations.find('#LAB').unread, conversations.unread], [6, 6]);
hear('OPEN_OK #lab e1 1 10');
hear('@in=#lab;seq=11;at=x;by=1 FROM Noy: hi');
check('a record in an open conversation', [conversations.find('#lab').last, conversations.find('#lab').position], [11, { epoch: 'e1', seq: 11 }]);
hear('READ #lab 9');
hear('READ #lab 3');
check('the marker only rises', conversations.find('#lab').read, 9);
hear('OPEN_OK #lab e2 1 3');
hear('GAP #lab 0 0 LOST');
check('another epoch', [conversations.find('#lab').position, conversations.find('#lab').last, conversations.find('#lab').isRenewed], [null, 3, true]);
hear('CONVERSATION Elias e7 1 5 0');
hear('CONVERSATION @9 e7 1 5 0');
check('a deleted account: the same conversation', [conversations.find('Elias'), conversations.find('@9').epoch], [undefined, 'e7']);
hear('@in=#other;seq=4;at=x INVITED Noy Elias');
check('a record of a conversation that is not open makes none', conversations.find('#other'), undefined);

// A full storage keeps the former value, so the newer one in memory counts.
const small = area();
const values = new Storage(small);
values.set('number', 1);
small.setItem = () => { throw new Error('full'); };
check('a value that could not be stored', [values.set('number', 2), values.get('number'), new Storage(small).get('number')], [false, 2, 1]);
