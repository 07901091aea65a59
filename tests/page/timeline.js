// Records, gaps and holes in order: crates/server/web/timeline.js.
const { Timeline, recordEntry, gapEntry, pageEntries, ENTRIES_MAX } = await import('/timeline.js');
const records = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => recordEntry({ seq: from + at, verb: 'FROM', author: 'Noy', by: '3', text: 'x' }));
const shape = (timeline) => {
  const parts = [];
  for (const { kind, from, to } of timeline.entries) {
    const last = parts.at(-1);
    if (kind === 'record' && last?.kind === 'record' && last.to === from - 1) last.to = to;
    else parts.push({ kind, from, to });
  }
  return parts.map(({ kind, from, to }) => `${kind} ${from}-${to}`);
};
const made = (...pages) => {
  const timeline = new Timeline();
  for (const page of pages) timeline.add(page);
  return timeline;
};

check('one after the other', shape(made(records(1, 3), records(4, 4))), ['record 1-4']);
check('a page before', shape(made(records(10, 12), records(7, 9))), ['record 7-12']);
check('a page far before', shape(made(records(10, 12), records(2, 4))), ['record 2-4', 'hole 5-9', 'record 10-12']);
check('a jump forward', shape(made(records(1, 2), records(9, 9))), ['record 1-2', 'hole 3-8', 'record 9-9']);
check('a hole is filled', shape(made(records(1, 2), records(9, 9), records(3, 8))), ['record 1-9']);
check('a hole is filled in parts', shape(made(records(1, 2), records(9, 9), records(5, 6))), ['record 1-2', 'hole 3-4', 'record 5-6', 'hole 7-8', 'record 9-9']);
check('a page over known records and a hole', shape(made(records(4, 5), records(9, 9), records(2, 11))), ['record 2-11']);
check('the same again', shape(made(records(1, 5), records(2, 3))), ['record 1-5']);
check('a gap over a hole and before', shape(made(records(10, 10), records(15, 15), [gapEntry(1, 14, 'EXPIRED')])), ['gap 1-9', 'record 10-10', 'gap 11-14', 'record 15-15']);
check('a page leaves out expired records', pageEntries([...records(5, 6), ...records(9, 9)], 12).map(({ kind, from, to }) => `${kind} ${from}-${to}`),
  ['record 5-5', 'record 6-6', 'gap 7-8', 'record 9-9', 'gap 10-11']);
check('an empty page', pageEntries([], 12), []);

const timeline = made(records(1, 3), records(8, 8));
check('found by number', [timeline.record(2)?.seq, timeline.record(5), timeline.record(8)?.seq, timeline.record(9)], [2, undefined, 8, undefined]);
timeline.redact(2, 9);
check('a redacted record is empty', [timeline.record(2).text, timeline.record(2).redactedBy], ['', 9]);
timeline.expect(20);
check('unknown records are a hole', shape(timeline), ['record 1-3', 'hole 4-7', 'record 8-8', 'hole 9-20']);

// REDACTED with a name.
const said = (seq, author, by) => recordEntry({ seq, verb: 'FROM', author, by, text: 'x' });
const redacted = (redaction) => {
  const by = made([said(1, 'Dana', '4'), said(2, 'dana', null), said(3, 'Dana', null), said(4, 'Dana', '7'), said(5, 'Noy', '3')]);
  by.redactAuthor({ seq: 6, author: 'Noy', by: '3', ...redaction });
  return by.entries.filter(({ record }) => record.redactedBy).map(({ from }) => from);
};
check('the present account of a name, in any spelling', redacted({ text: 'dana' }), [2, 4]);
check('and guests in this spelling', redacted({ text: 'Dana' }), [3, 4]);
check('an id', redacted({ text: '@4' }), [1]);
check('own messages only', redacted({ text: 'dana', author: 'Dana', by: '4' }), [1]);

const long = made(records(1, ENTRIES_MAX + 10));
long.trim(ENTRIES_MAX);
check('the beginning is dropped', [long.entries.length <= ENTRIES_MAX, long.last, long.isComplete], [true, ENTRIES_MAX + 10, false]);
const upper = made(records(1, ENTRIES_MAX + 10));
upper.trim(1);
check('the end is dropped, as a hole', [upper.first, upper.last, upper.entries.at(-1).kind], [1, ENTRIES_MAX + 10, 'hole']);

// Random pages against a set of known numbers: each number up to the last is a record, or within a hole.
let seed = 7;
const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
for (let round = 0; round < 300; round += 1) {
  const [tested, known] = [new Timeline(), new Set()];
  for (let page = 0; page < 12; page += 1) {
    const from = 1 + random(60);
    const to = from + random(12);
    tested.add(records(from, to));
    for (let seq = from; seq <= to; seq += 1) known.add(seq);
  }
  let expected = tested.first;
  const isRight = tested.entries.every(({ kind, from, to }) => {
    const follows = from === expected;
    expected = to + 1;
    const isKnown = Array.from({ length: to - from + 1 }, (_, at) => known.has(from + at));
    return follows && isKnown.every((value) => value === (kind === 'record'));
  });
  if (!isRight) check(`random pages of round ${round}`, shape(tested), 'no hole where a record is known');
}
