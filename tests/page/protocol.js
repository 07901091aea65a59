// Lines as values: crates/server/web/protocol.js, place.js, commands.js, wire.js and session.js.
const protocol = await import('/protocol.js');
const { targetInAddress, addressOf } = await import('/place.js');
const { lineOfCommand, completions } = await import('/commands.js');
const { frameOf } = await import('/wire.js');
const { isSecure } = await import('/session.js');
const { pauseBefore } = await import('/connection.js');
const { parseLine, parseRecord, parseNumber, encode, messagesOf, describeRequest, withoutSecrets, utf8Length } = protocol;

const record = parseRecord(parseLine('@n=41;in=#lab;seq=9090;at=2026-11-28T22:10:40.002Z;by=3;later=x FROM Noy: hello: you'));
check('a record', [record.target, record.seq, record.n, record.by, record.author, record.text], ['#lab', 9090, 41, '3', 'Noy', 'hello: you']);
const redacted = parseRecord(parseLine('@in=#lab;seq=1;at=x;past=1;redacted=9091 FROM Elias: '));
check('a redacted record', [redacted.redactedBy, redacted.isPast, redacted.text, redacted.by], [9091, true, '', null]);
check('spaces at the beginning of a text stay', parseRecord(parseLine('@in=#a;seq=1;at=x FROM Noy:     code')).text, '    code');
check('an unknown verb with seq is a record', parseRecord(parseLine('@in=#a;seq=7;at=x WAVED Noy hi')).seq, 7);
check('a message without seq is no record', parseRecord(parseLine('FROM Noy: hi')), null);
check('an event', [parseRecord(parseLine('@in=#a;seq=3;at=x KICKED Elias Dana')).author, parseRecord(parseLine('@in=#a;seq=3;at=x KICKED Elias Dana')).text], ['Elias', 'Dana']);
check('a tag named like a property', parseLine('@constructor=1;toString=2 PONG').tags.constructor, '1');
check('numbers', [parseNumber('0'), parseNumber('12'), parseNumber('9223372036854775807'), parseNumber('-1'), parseNumber('1e3'), parseNumber(undefined)], [0, 12, null, null, null, null]);

check('SAY', encode({ verb: 'SAY', words: ['#lab'], text: '  two', n: 4 }), '@n=4 SAY #lab   two');
check('OPEN', encode({ verb: 'OPEN', words: ['#lab', 'x1', 0] }), 'OPEN #lab x1 0');
check('a request', describeRequest(' @n=7 say #Lab hi'), { verb: 'SAY', target: '#Lab', hasArguments: true, n: '7' });
check('a request without a target', describeRequest('TOKEN'), { verb: 'TOKEN', target: '', hasArguments: false, n: null });

check('each line is a message', messagesOf('one\n\n two \r\nthree\u2028four'), ['one', ' two', 'three', 'four']);
check('a block of code', messagesOf('see:\n```rust\nfn main() {\n\tx\n```\nend'), ['see:', '    fn main() {', '    \tx', 'end']);
check('controls and half characters', messagesOf('a\u0007b\u009bc\ud800'), ['abc\ufffd']);
check('bytes', ['a', 'é', 'ש', '€', '😀', '\ud800'].map(utf8Length), [1, 2, 2, 3, 4, 3]);
check('secrets', ['LOGIN Noy web password a b', 'claim password x', 'TOKEN_OK t', 'SAY #lab password x'].map(withoutSecrets),
  ['LOGIN Noy web password …', 'claim password …', 'TOKEN_OK …', 'SAY #lab password x']);

check('addresses', ['#lab', '', '#', '#%D7%9E%D7%A2%D7%91%D7%93%D7%94', '#@Elias', '#a%20b', '#%E0%A4%A', '#@', '#%23lab'].map(targetInAddress),
  ['#lab', '', '', '#מעבדה', 'Elias', '', '', '', '#lab']);
check('addresses come back', ['#lab', '#c++', '#a/b?c', 'Elias', 'נוי'].map((target) => targetInAddress(addressOf(target))), ['#lab', '#c++', '#a/b?c', 'Elias', 'נוי']);

check('commands', ['/topic Wires and waves', '/raw WHO', '/who', '/leave', '/nothing', '/RAW @n=1 SAY #a  b'].map((text) => lineOfCommand(text, '#lab')?.line ?? null),
  ['TOPIC #lab Wires and waves', 'WHO', 'WHO', 'LEAVE #lab', null, '@n=1 SAY #a  b']);
check('completions', completions('/re').map(({ verb }) => verb), ['REDACT', 'REPORT', 'READERS', 'REVOKE']);
check('frames', [[5, true], [125, false], [126, true], [65535, false], [65536, true]].map(([bytes, isMasked]) => frameOf('x'.repeat(bytes), isMasked).header), [6, 2, 8, 4, 14]);
check('secure pages', [['https:', 'a.example'], ['http:', 'localhost'], ['http:', '127.0.0.1'], ['http:', '192.168.0.7'], ['http:', '127.evil.example']].map(([protocol, hostname]) => isSecure({ protocol, hostname })),
  [true, true, true, false, false]);
check('pauses', [[0, 0], [0, 1], [3, 1], [99, 1]].map(([attempt, random]) => pauseBefore(attempt, random)), [250, 500, 4000, 20000]);
const { wireFigures } = await import('/wire.js');
check('figures of the connection', wireFigures(['transport=websocket-tls', 'rtt_us=23184', 'later=1=2', 'word', 'constructor=x']), [['Transport', 'websocket-tls'], ['Round trip, smoothed (SRTT)', '23184 µs'], ['later', '1=2'], ['constructor', 'x']]);
