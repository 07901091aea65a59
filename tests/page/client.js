// Who the user is, and which messages are sent and stored: crates/server/web/client.js over a server in memory.
const isStored = (server, target, ...texts) => until(() => JSON.stringify(server.texts(target)) === JSON.stringify(texts));

// A guest whose name is refused, and who logs in by that name.
let server = new FakeServer();
server.account('Noy');
server.conversation('#lab', { members: ['Noy'] });
let page = await openClient(server);
page.local.setItem('switchboard/device/noy', '"web-old"');
page.local.setItem('switchboard/number/noy/web-old', '7');
page.client.enterAsGuest('Noy');
await until(() => page.client.state === 'out');
check('a refused name is nobody', [page.client.identity, page.client.isGuest], [null, false]);
await page.client.enterWithPassword('Noy', 'mellon');
check('the account is in', await page.online(), true);
check('it has its own numbers', [page.client.outbox.isNumbered, page.client.outbox.owner], [true, 'noy/web-old']);
page.client.say(await page.client.join('#lab'), 'as an account');
check('its message is stored', [await isStored(server, '#lab', 'as an account'), server.heard.at(-1)], [true, '@n=8 SAY #lab as an account']);

await until(() => page.unsent().length === 0);

// The device is removed while messages wait: they go to the next device, and the doubtful one waits for its user.
server.isMute = true;
page.client.say(page.client.conversations.find('#lab'), 'answer lost');
page.client.connection.stop();
server.isMute = false;
page.client.say(page.client.conversations.find('#lab'), 'never sent');
page.client.connection.start();
server.override = (raw) => (raw.startsWith('LOGIN') ? ['ERROR REVOKED'] : undefined);
await until(() => page.client.state === 'out');
server.override = () => undefined;
check('a removed device leaves', [page.client.accounts.account, page.client.identity], [null, null]);
await page.client.enterWithPassword('Noy', 'mellon');
await page.online();
check('its messages are those of the new device', [page.client.outbox.owner === 'noy/web-old', page.unsent()[0]], [false, 'answer lost unsure']);
check('and what was never sent is sent', await isStored(server, '#lab', 'as an account', 'answer lost', 'never sent'), true);
await page.close();

// A guest under the name of a failed token.
server = new FakeServer();
page = await openClient(server);
page.local.setItem('switchboard/account', JSON.stringify({ name: 'Noy', device: 'web-a', token: 'stale' }));
await page.client.enterWithToken();
await until(() => page.client.state === 'out');
check('a failed token is forgotten', page.client.accounts.account, null);
page.client.enterAsGuest('Noy');
await page.online();
page.client.say(await page.client.join('#lab'), 'as a guest');
check('a guest sends no numbers', [await isStored(server, '#lab', 'as a guest'), server.heard.at(-1)], [true, 'SAY #lab as a guest']);
await page.close();

// Requests without a connection.
server = new FakeServer();
page = await openClient(server);
page.client.enterAsGuest('Noy');
await page.online();
await page.client.join('#lab');
server.isDown = true;
server.cut();
const answer = await page.client.ask({ verb: 'ROOMS' }).catch((error) => error.constructor.name);
check('a request without a connection fails at once', answer, 'Disconnected');
check('and a room cannot be joined', await page.client.join('#other').catch((error) => error.constructor.name), 'Disconnected');
check('nor is it in the list', page.client.conversations.find('#other'), undefined);
server.isDown = false;
page.client.connection.wake();
check('the next login works', await page.online(), true);
check('and so do requests', (await page.client.ask({ verb: 'ROOMS' })).line.raw, 'ROOMS_OK 0');
await page.close();

// Another account has the name of the person, after a loss and after a reload.
for (const isReload of [false, true]) {
  server = new FakeServer();
  const noy = server.account('Noy');
  noy.tokens.set('web-a', 'secret');
  const former = server.conversation('Elias', { epoch: 'e1', count: 3, members: ['Noy'] });
  page = await openClient(server);
  page.local.setItem('switchboard/account', JSON.stringify({ name: 'Noy', device: 'web-a', token: 'secret' }));
  await page.client.enterWithToken();
  await page.online();
  await page.client.join('Elias');
  server.isDown = true;
  server.cut();
  page.client.say(page.client.conversations.find('Elias'), 'secret');
  server.conversations.clear();
  server.conversations.set('@9', Object.assign(former, { target: '@9' }));
  const other = server.conversation('Elias', { epoch: 'e2', members: [] });
  server.isDown = false;
  if (isReload) {
    await page.close();
    page = await openClient(server, page);
    await page.client.enterWithToken();
  } else {
    page.client.connection.wake();
  }
  await page.online();
  const name = `another Elias, ${isReload ? 'after a reload' : 'after a loss'}`;
  check(name, [await until(() => page.unsent()[0] === 'secret refused OTHER_CONVERSATION'), other.records], [true, []]);
  await page.close();
}

// The same person: the message waits until the server has named the conversation.
server = new FakeServer();
server.account('Noy').tokens.set('web-a', 'secret');
server.conversation('Elias', { epoch: 'e1', members: [] });
page = await openClient(server);
page.local.setItem('switchboard/account', JSON.stringify({ name: 'Noy', device: 'web-a', token: 'secret' }));
await page.client.enterWithToken();
await page.online();
await page.client.join('Elias');
server.cut();
page.client.say(page.client.conversations.find('Elias'), 'hello');
await page.close();
page = await openClient(server, page);
await page.client.enterWithToken();
check('a conversation that is not listed is opened first', await isStored(server, 'Elias', 'hello'), true);
await page.close();

// Two windows of one browser.
server = new FakeServer();
server.account('Noy').tokens.set('web-a', 'secret');
server.conversation('#lab', { members: ['Noy'] });
const one = await openClient(server);
one.local.setItem('switchboard/account', JSON.stringify({ name: 'Noy', device: 'web-a', token: 'secret' }));
await one.client.enterWithToken();
await one.online();
const lab = await one.client.join('#lab');
server.override = (raw) => (raw.includes('SAY') ? [`${raw.split(' ')[0]} ERROR UNAVAILABLE #lab`] : undefined);
one.client.say(lab, 'A');
const two = await openClient(server, { local: one.local });
await two.client.enterWithToken();
check('the second window waits', two.client.state, 'elsewhere');
await two.client.enterWithToken({ steal: true });
check('it takes the device', [await two.online(), await until(() => one.client.state === 'elsewhere')], [true, true]);
check('with the unsent message', await until(() => two.unsent()[0] === 'A waiting'), true);
const inTwo = await two.client.join('#lab');
two.client.outbox.remove(two.client.outbox.messages[0]);
two.client.say(inTwo, 'B');
server.override = () => undefined;
await one.client.enterWithToken({ steal: true });
check('the first window takes it back', [await one.online(), await until(() => two.client.state === 'elsewhere')], [true, true]);
check('it sends what the second one left, and not what that has discarded', [await isStored(server, '#lab', 'B'), await until(() => one.unsent().length === 0)], [true, true]);
check('and says so to its views', one.events.some(([name]) => name === 'taken'), true);
await one.client.signOut();
await two.client.enterWithToken({ steal: true });
check('after a log-out, the other window has nothing to use', two.client.state, 'out');
await two.close();

// A guest's message whose answer is lost.
server = new FakeServer();
page = await openClient(server);
page.client.enterAsGuest('Noy');
await page.online();
await page.client.join('#lab');
server.isMute = true;
page.client.say(page.client.conversations.find('#lab'), 'once');
await page.close();
server.isMute = false;
page = await openClient(server, { tab: page.tab });
page.client.enterAsGuest('Noy');
await page.online();
check('a reload does not send it again', [page.unsent(), server.texts('#lab')], [['once unsure'], ['once']]);
await page.client.join('#lab');
check('its record settles it', await until(() => page.unsent().length === 0), true);
server.override = (raw) => (raw.startsWith('SAY') ? ['ERROR UNAVAILABLE #lab'] : undefined);
page.client.say(page.client.conversations.find('#lab'), 'perhaps');
check('an unknown outcome is not tried again', await until(() => page.unsent()[0] === 'perhaps unsure'), true);
server.record('#lab', { verb: 'FROM', author: 'Noy', by: null, text: 'perhaps' });
check('if it was stored, its record says so', await until(() => page.unsent().length === 0), true);

// The guest's name becomes an account.
page.client.say(page.client.conversations.find('#lab'), 'unknown');
await until(() => page.unsent()[0] === 'unknown unsure');
server.override = (raw) => (raw.startsWith('SAY') ? ['ERROR NOT_ALLOWED #lab'] : undefined);
page.client.say(page.client.conversations.find('#lab'), 'no');
await until(() => page.unsent()[1] === 'no refused NOT_ALLOWED');
server.override = () => undefined;
const claimed = page.client.claim('mellon');
page.client.say(page.client.conversations.find('#lab'), 'meanwhile');
await claimed;
check('a claim sends what waits, once', await until(() => server.texts('#lab').at(-1) === 'meanwhile' && page.unsent().length === 2), true);
check('and asks about the others as before', [page.unsent(), server.texts('#lab').length], [['unknown unsure', 'no refused NOT_ALLOWED'], 3]);
await page.close();

// A guest who gets another name after a loss.
server = new FakeServer();
page = await openClient(server);
page.client.enterAsGuest('Noy');
await page.online();
await page.client.join('#lab');
server.isDown = true;
server.cut();
page.client.say(page.client.conversations.find('#lab'), 'as Noy');
await page.close();
server.isDown = false;
page = await openClient(server, { tab: page.tab });
page.client.enterAsGuest('Elias');
await page.online();
check('what another name wrote waits for its user', [page.unsent(), server.texts('#lab')], [['as Noy refused OTHER_NAME'], []]);
await page.client.signOut();
check('a guest leaves no texts', page.tab.values.size === 0 || [...page.tab.values.keys()].every((key) => key.includes('/number/')), true);

// A guest's tab in a browser that is logged in.
page = await openClient(server);
page.local.setItem('switchboard/account', JSON.stringify({ name: 'Noy', device: 'web-a', token: 'secret' }));
page.client.enterAsGuest('Elias');
await page.online();
await page.client.signOut();
check('a guest does not log the account out', page.client.accounts.account.name, 'Noy');

// A browser that cannot keep the numbers of its messages.
server = new FakeServer();
server.account('Noy').tokens.set('web-a', 'secret');
server.conversation('#lab', { members: ['Noy'] });
page = await openClient(server);
page.local.setItem('switchboard/account', JSON.stringify({ name: 'Noy', device: 'web-a', token: 'secret' }));
await page.client.enterWithToken();
await page.online();
const room = await page.client.join('#lab');
page.client.say(room, 'one');
await isStored(server, '#lab', 'one');
page.local.isFull = true;
page.client.say(room, 'two');
page.client.say(room, 'three');
check('a full browser swallows no message', await isStored(server, '#lab', 'one', 'two', 'three'), true);
await page.close();
page.local.isFull = false;
page = await openClient(server, { local: page.local });
await page.client.enterWithToken();
await page.online();
page.client.say(await page.client.join('#lab'), 'four');
check('nor after a reload', await isStored(server, '#lab', 'one', 'two', 'three', 'four'), true);

// A read marker whose answer is lost.
const { conversations } = page.client;
server.isMute = true;
server.override = (raw) => (raw.startsWith('READ') ? [] : undefined);
page.client.markRead(conversations.find('#lab'));
server.isMute = false;
server.override = () => undefined;
server.cut();
page.client.connection.wake();
await page.online();
check('the marker is sent again', await until(() => server.conversations.get('#lab').read === conversations.find('#lab').read), true);

// The end of membership.
for (const [record, sentence] of [
  [{ verb: 'KICKED', author: 'Dana', by: '99', text: 'Noy' }, 'KICKED'],
  [{ verb: 'BANNED', author: 'Dana', by: '99', text: 'noy' }, 'BANNED'],
  [{ verb: 'LEFT', author: 'Noy', by: '1', text: '' }, 'LEFT'],
]) {
  const target = `#${sentence.toLowerCase()}`;
  const ended = await page.client.join(target);
  await until(() => ended.isLive);
  const before = page.events.length;
  server.record(target, record);
  for (const socket of server.sockets) socket.open.delete(server.conversations.get(target.toLowerCase()));
  check(`${sentence} ends the view`, [await until(() => page.events.length > before), page.events.at(-1)[2]?.verb, ended.isOpen, page.client.reader.wanted.includes(ended)], [true, sentence, false, false]);
  page.client.say(ended, 'still here?');
  check(`after ${sentence}, a message opens the room again`, await until(() => ended.isLive && ended.timeline.entries.at(-1).record?.text === 'still here?'), true);
}
const events = page.events.length;
await page.client.leave(conversations.find('#lab'));
check('who leaves is not told', [page.events.length - events, conversations.find('#lab')], [0, undefined]);
const kept = await page.client.join('#kept');
await until(() => kept.isLive);
server.record('#kept', { verb: 'SET', author: 'Dana', by: '99', text: 'guests none' });
await until(() => !kept.isLive);
check('a member stays when guests may not read any more', [await until(() => kept.isLive), page.events.length - events], [true, 0]);
server.override = (raw) => (raw.startsWith('OPEN') ? ['ERROR NOT_A_MEMBER #kept'] : undefined);
server.record('#kept', { verb: 'SET', author: 'Dana', by: '99', text: 'guests none' });
check('others do not', [await until(() => page.events.length > events), kept.isOpen], [true, false]);
server.override = () => undefined;

// A join that fails.
server.override = (raw) => (/^(JOIN|OPEN)/.test(raw) ? [`ERROR ROOM_FULL ${raw.split(' ')[1]}`] : undefined);
check('a failed join leaves nothing', [await page.client.join('#full').catch(({ code }) => code), page.client.reader.wanted.some(({ target }) => target === '#full'), conversations.find('#full')], ['ROOM_FULL', false, undefined]);
check('one of a known room leaves it', [await page.client.join('#kept').catch(({ code }) => code), conversations.find('#kept') === kept], ['ROOM_FULL', true]);
server.override = () => undefined;

// A jump into a long room, as soon as it is opened.
server.conversation('#long', { count: 700 });
const long = conversations.ensure('#long');
await page.client.show(long);
await page.client.reader.loadAround(long, 200);
check('a jump finds its record', long.timeline.record(200)?.text, 'old 200');
check('and the newest page comes, too', await until(() => long.timeline.record(700)), true);
check('each number between them is there or in a hole', [long.timeline.last, long.timeline.entries.filter(({ kind }) => kind === 'hole').map(({ from, to }) => [from, to])], [700, [[250, 600]]]);

// After a log-out, the browser has no texts of the user.
page.local.setItem('switchboard/draft/noy/web-a/#lab', '"draft"');
server.override = (raw) => (raw.includes('SAY') ? [] : undefined);
page.client.say(kept, 'unsent');
await page.client.signOut();
check('a log-out leaves only the numbers', [...page.local.values.keys()].filter((key) => !/\/(device|number)\//.test(key)), []);
