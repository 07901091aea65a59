/**
 * "See the wire": the bytes that carried a message, its record, and the state of the connection.
 */
import { utf8Length } from '../protocol.js';
import { TLS_RECORD_BYTES, frameOf, wireFigures } from '../wire.js';
import { openDialog } from './dialog.js';
import { element } from './element.js';
import { fullTime, timeOf } from './times.js';

/**
 * Opens the dialog for an entry of a timeline, a message of the outbox, or a line of a private chat.
 * @param {import('../client.js').Client} client
 * @param {object} item The conversation or chat.
 * @param {object} entry
 */
export function open(client, item, entry) {
  const record = entry.record ?? null;
  const isOutgoing = entry.order !== undefined;
  const line = record ? record.raw : isOutgoing ? client.sender.lineOf(entry) : entry.raw;
  const isMasked = isOutgoing || entry.isOwn === true;
  const connection = element('div', {});
  openDialog(
    'On the wire',
    section(isMasked ? 'The line, as this page sends it' : 'The line, as the server sent it'),
    line === '' ? element('p', { text: 'The text was deleted, and the line with it.' }) : element('pre', { class: 'mono', dir: 'ltr', text: line }),
    line !== '' && frameTable(line, isMasked, record?.text ?? entry.text),
    record && section('The record'),
    record && recordTable(client, item, record),
    section('The connection'),
    connection,
  );
  showConnection(client, connection);
}

function section(title) {
  return element('h3', { text: title });
}

/** A table of pairs. A value may be a node. */
function table(pairs) {
  const row = ([name, value]) => element('tr', {}, element('th', { scope: 'row', text: name }), element('td', {}, value));
  return element('table', {}, element('tbody', {}, ...pairs.map(row)));
}

function frameTable(line, isMasked, text) {
  const { payload, header, bits } = frameOf(line, isMasked);
  const typed = utf8Length(text);
  const isTls = location.protocol === 'https:';
  return table([
    ['Text', `${typed} bytes of UTF-8`],
    ['Line', `${payload} bytes: tags, verb and target take ${payload - typed}. Over TCP, one LF more`],
    ['Frame of WebSocket', `${header + payload} bytes: a header of ${header} before the line. ${bits}`],
    ['TLS', isTls ? `${TLS_RECORD_BYTES} bytes more for each record of TLS 1.3. Several frames may share one` : 'none: anybody on the path can read this line'],
    ['TCP and below', 'A page cannot see its segments and packets: capture them with encap or Wireshark. The figures of TCP below are those of the server'],
  ]);
}

function recordTable(client, item, record) {
  const readers = element('span', { text: '…' });
  client
    .ask({ verb: 'READERS', words: [item.target, record.seq] })
    .then(({ line }) => (readers.textContent = (line.words[2] ?? '').split(',').join(', ') || 'nobody has said so'))
    .catch(() => (readers.textContent = 'not known now'));
  return table([
    ['Number', `${record.seq} in ${item.target}`],
    ['Stored at', element('time', { datetime: record.at, text: `${fullTime(timeOf(record.at))} (${record.at})` })],
    ['Written by', record.by === null ? `${record.author}, a guest` : `${record.author}, account ${record.by}`],
    ...(record.n === null ? [] : [['Number of this device', `n=${record.n}: sent again, it would be stored once`]]),
    ['Epoch', item.epoch],
    ['Read by', readers],
  ]);
}

/** WIRE gives what the server knows of this connection, such as its TCP_INFO. */
async function showConnection(client, place) {
  const started = performance.now();
  try {
    const { line } = await client.ask({ verb: 'WIRE' });
    const roundTrip = `${(performance.now() - started).toFixed(1)} ms for this line and its answer`;
    place.replaceChildren(table([['Round trip', roundTrip], ...wireFigures(line.words)]), element('pre', { class: 'mono', dir: 'ltr', text: line.raw }));
  } catch {
    place.replaceChildren(element('p', { text: 'There is no connection now.' }));
  }
}
