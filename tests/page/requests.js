// Answers and their requests: crates/server/web/requests.js.
const { Requests, RequestError, Disconnected } = await import('/requests.js');
const { parseLine } = await import('/protocol.js');

/** Sends the requests, receives the lines, and returns the answers and the lines that answered nothing. */
async function play(requests, lines) {
  const sent = [];
  const queue = new Requests((line) => Boolean(sent.push(line)));
  const answers = requests.map((line) => queue.send(line).then(
    ({ line: last, list }) => [...list, last].map(({ raw }) => raw),
    (error) => (error instanceof RequestError ? error.code : error instanceof Disconnected ? 'disconnected' : String(error)),
  ));
  const unasked = lines.filter((line) => !queue.receive(parseLine(line)));
  queue.abandon();
  return { answers: await Promise.all(answers), unasked };
}

check('in order', await play(['JOIN #lab', 'OPEN #lab'], ['JOIN_OK #lab 2', 'OPEN_OK #lab e 1 2', 'LIVE #lab 2']),
  { answers: [['JOIN_OK #lab 2'], ['OPEN_OK #lab e 1 2']], unasked: ['LIVE #lab 2'] });
check('a list', await play(['ROOMS'], ['ROOM #a 1 x', 'CAME Noy', 'ROOM #b 2 ', 'ROOMS_OK 2']), { answers: [['ROOM #a 1 x', 'ROOM #b 2 ', 'ROOMS_OK 2']], unasked: ['CAME Noy'] });
check('PONG overtakes', await play(['SAY #a x', 'PING'], ['PONG', '@in=#a;seq=1;at=x FROM Noy: x', 'SAID #a 1']),
  { answers: [['SAID #a 1'], ['PONG']], unasked: ['@in=#a;seq=1;at=x FROM Noy: x'] });
check('history', await play(['HISTORY #a 9 2'], ['@in=#a;seq=9;at=x FROM Noy: live', '@in=#a;seq=7;at=x;past=1 FROM Noy: old', '@past=1 GAP #a 8 8 HIDDEN', 'HISTORY_OK #a 7 7']),
  { answers: [['@in=#a;seq=7;at=x;past=1 FROM Noy: old', '@past=1 GAP #a 8 8 HIDDEN', 'HISTORY_OK #a 7 7']], unasked: ['@in=#a;seq=9;at=x FROM Noy: live'] });
check('an error answers the oldest', await play(['JOIN #a', 'JOIN #b'], ['ERROR NOT_ALLOWED #a', 'JOIN_OK #b 1']), { answers: ['NOT_ALLOWED', ['JOIN_OK #b 1']], unasked: [] });
check('an error of another target', await play(['READ #b 4'], ['ERROR NOT_A_MEMBER #a', 'READ_OK #b 4']), { answers: [['READ_OK #b 4']], unasked: ['ERROR NOT_A_MEMBER #a'] });
check('an error with n', await play(['@n=4 SAY #a x', '@n=5 SAY #a y'], ['@n=4 ERROR STALE #a', '@n=5 SAID #a 8']), { answers: ['STALE', ['@n=5 SAID #a 8']], unasked: [] });
check('the end of the session answers nothing', await play(['TOKEN'], ['ERROR DISPLACED']), { answers: ['disconnected'], unasked: ['ERROR DISPLACED'] });
check('the operator speaks, and ends the session', await play(['TOKEN'], ['NOTICE hi', 'ERROR KICKED no spam']), { answers: ['disconnected'], unasked: ['NOTICE hi', 'ERROR KICKED no spam'] });
check('OPEN_OK of another room', await play(['OPEN #a'], ['OPEN_OK #b e2 1 4', 'OPEN_OK #a e 1 2']), { answers: [['OPEN_OK #a e 1 2']], unasked: ['OPEN_OK #b e2 1 4'] });
check('a room in another spelling', await play(['OPEN #LAB'], ['OPEN_OK #lab e 1 2']), { answers: [['OPEN_OK #lab e 1 2']], unasked: [] });
check('CONVERSATION comes unasked', await play(['WATCH'], ['CONVERSATION #a e 1 2 0', 'WATCH_OK']), { answers: [['WATCH_OK']], unasked: ['CONVERSATION #a e 1 2 0'] });
check('lower case', await play(['who'], ['USERS Noy']), { answers: [['USERS Noy']], unasked: [] });
check('a verb with an argument too many is answered in its turn', await play(['WHO is here?', 'WHO', 'JOIN #a'], ['USERS Noy', 'ERROR UNKNOWN_COMMAND', 'JOIN_OK #a 1']),
  { answers: ['UNKNOWN_COMMAND', ['USERS Noy'], ['JOIN_OK #a 1']], unasked: [] });
check('spaces after the tags', await play(['@n=1  SAY #a x'], ['@n=1 SAID #a 8']), { answers: [['@n=1 SAID #a 8']], unasked: [] });
const unconnected = new Requests(() => false);
check('without a connection', [await unconnected.send('ROOMS').catch((error) => error.wasSent), unconnected.ordered.length], [false, 0]);
