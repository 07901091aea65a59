// News, and the bound on records: crates/server/web/conversations.js.
const { Conversations } = await import('/conversations.js');
const { ENTRIES_MAX, recordEntry } = await import('/timeline.js');
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

/** A full room whose reader is at a place, after one more record. */
function fullRoom(place) {
  const conversations = new Conversations();
  conversations.receive(parseLine('OPEN_OK #lab e 1 0'));
  const room = conversations.find('#lab');
  room.place = place;
  room.timeline.add(Array.from({ length: ENTRIES_MAX }, (_, at) => recordEntry({ seq: at + 1, verb: 'FROM', author: 'Noy', by: '3', text: 'x' })));
  conversations.receive(parseLine(`@in=#lab;seq=${ENTRIES_MAX + 1} FROM Noy: x`));
  return room.timeline;
}
const followed = fullRoom(Infinity);
check('a reader at the end loses the beginning', [followed.entries.length <= ENTRIES_MAX, followed.first > 1, followed.last], [true, true, ENTRIES_MAX + 1]);
const read = fullRoom(1);
check('a reader at the beginning keeps it', [read.entries.length <= ENTRIES_MAX, read.first, read.last], [true, 1, ENTRIES_MAX + 1]);
