// News, and the bound on records: crates/server/web/conversations.js.
const { Conversations } = await import('/conversations.js');
const { ENTRIES_MAX } = await import('/timeline.js');
const { parseLine } = await import('/protocol.js');

const news = [];
const listed = new Conversations();
listed.on('news', ({ target }) => news.push(target));
const receive = (line, isAnswer) => {
  listed.receive(parseLine(line), isAnswer);
  return news.splice(0);
};
check('the first list has no news', receive('CONVERSATION Dana e 1 2 0', true), []);
check('a later line has', receive('CONVERSATION Dana e 1 3 0', false), ['Dana']);
check('a later line without a record has none', receive('CONVERSATION Dana e 1 3 3', false), []);
check('a line may bring a conversation', receive('CONVERSATION Elias f 1 1 0', false), ['Elias']);
check('the list after a loss may have news', receive('CONVERSATION Dana e 1 9 3', true), ['Dana']);
check('unread records', listed.unread, 7);

/** A room whose reader is at a place while records come. */
function roomWith(place, last) {
  const conversations = new Conversations();
  conversations.receive(parseLine('OPEN_OK #lab e 1 0'));
  const room = conversations.find('#lab');
  room.place = place;
  for (let seq = 1; seq <= last; seq += 1) conversations.receive(parseLine(`@in=#lab;seq=${seq} FROM Noy: x`));
  return room.timeline;
}
const followed = roomWith(Infinity, ENTRIES_MAX + 1);
check('a reader at the end loses the beginning', [followed.entries.length <= ENTRIES_MAX, followed.first > 1, followed.last], [true, true, ENTRIES_MAX + 1]);
const read = roomWith(1, ENTRIES_MAX + 1);
check('a reader at the beginning keeps it', [read.entries.length <= ENTRIES_MAX, read.first, read.last], [true, 1, ENTRIES_MAX + 1]);
