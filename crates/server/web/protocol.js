/**
 * Lines of protocol 2 as values: docs/protocol.md §13. No I/O and no state.
 *
 * A frame of the WebSocket carries one line, without its LF. Everything that the page sends can be typed in `nc`.
 */

/** Longest text of a message in bytes of UTF-8 (§4.1). */
export const TEXT_BYTES_MAX = 3840;

/** A number above that of every record: HISTORY before it begins at the end of a conversation (§15.5). */
export const AFTER_LAST = '9223372036854775807';

/** Records of one HISTORY, at most (§17). */
export const PAGE_RECORDS_MAX = 256;

/**
 * @typedef {object} Line A line of the server.
 * @property {string} raw The line as it came.
 * @property {Record<string, string>} tags
 * @property {string} verb
 * @property {string} rest The text after the verb and one space.
 * @property {string[]} words The words of `rest`.
 */

/**
 * @typedef {object} ChatRecord A record of a conversation (§13.6).
 * @property {string} raw The line that carried it.
 * @property {string} target
 * @property {number} seq
 * @property {string} at RFC 3339, for display only.
 * @property {?string} by The id of the author's account. A guest has none.
 * @property {?number} n The number that this device gave to the message.
 * @property {boolean} isPast Whether it answers HISTORY or SEARCH.
 * @property {?number} redactedBy The number of the record that emptied this one.
 * @property {string} verb
 * @property {string} author
 * @property {string} text The text, or the remaining words of an event.
 */

/** @param {string} raw @returns {Line} */
export function parseLine(raw) {
  const { tags, body } = splitTags(raw);
  const end = body.indexOf(' ');
  const verb = end < 0 ? body : body.slice(0, end);
  const rest = end < 0 ? '' : body.slice(end + 1);
  return { raw, tags, verb, rest, words: rest === '' ? [] : rest.split(' ') };
}

/** @param {string} raw */
function splitTags(raw) {
  const tags = Object.create(null);
  if (!raw.startsWith('@')) return { tags, body: raw };
  const end = raw.indexOf(' ');
  const list = end < 0 ? raw.slice(1) : raw.slice(1, end);
  for (const tag of list.split(';')) {
    const equals = tag.indexOf('=');
    if (equals > 0) tags[tag.slice(0, equals)] = tag.slice(equals + 1);
  }
  return { tags, body: end < 0 ? '' : raw.slice(end + 1) };
}

/**
 * The record in a line. A line with the tag `seq` is a record, also with an unknown verb (§11.1).
 * @param {Line} line
 * @returns {?ChatRecord}
 */
export function parseRecord(line) {
  const seq = parseNumber(line.tags.seq);
  if (seq === null || seq === 0 || !line.tags.in) return null;
  const { author, text } = splitAuthor(line);
  return {
    raw: line.raw,
    target: line.tags.in,
    seq,
    at: line.tags.at ?? '',
    by: line.tags.by ?? null,
    n: parseNumber(line.tags.n),
    isPast: line.tags.past === '1',
    redactedBy: parseNumber(line.tags.redacted),
    verb: line.verb,
    author,
    text,
  };
}

/** Author and text of `FROM Elias: hi`, `TOPIC Elias: hi`, `JOINED Elias` and `KICKED Elias Dana`. No name has a colon. */
export function splitAuthor({ verb, rest }) {
  const mark = ['FROM', 'TOPIC', 'AUDIT', 'QUOTED'].includes(verb) ? ':' : ' ';
  const end = rest.indexOf(mark);
  if (end < 0) return { author: rest, text: '' };
  const text = rest.slice(end + 1);
  return { author: rest.slice(0, end), text: mark === ':' && text.startsWith(' ') ? text.slice(1) : text };
}

/**
 * A number of the protocol, or null. Numbers that JavaScript cannot hold exactly are refused.
 * @param {string|undefined} word
 */
export function parseNumber(word) {
  if (word === undefined || !/^[0-9]{1,19}$/.test(word)) return null;
  const number = Number(word);
  return Number.isSafeInteger(number) ? number : null;
}

/** Whether a target is a room. */
export function isRoom(target) {
  return target.startsWith('#');
}

/**
 * The key under which names and targets are compared: nearly the folded form of §3.1. The server decides; this key only
 * finds its answers again.
 */
export function fold(target) {
  return target.normalize('NFKC').toLowerCase();
}

/** Whether a word can stand in a line as a target or a name. The server checks the rules of §3. */
export function isWord(text) {
  return text !== '' && !/[\s\p{Cc}]/u.test(text);
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text) {
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      bytes += 4;
      at += 1;
    } else bytes += 3;
  }
  return bytes;
}

/**
 * The lines that a typed text is sent as. A record has one line, so each line of the text becomes a message. A fenced
 * block of code (three backticks) becomes lines that begin with four spaces: anyone can read and type those.
 * @param {string} typed
 * @returns {string[]}
 */
export function messagesOf(typed) {
  const messages = [];
  let isFenced = false;
  for (const line of typed.split(/\r\n|[\n\r\u2028\u2029]/u)) {
    if (/^\s*```[\w+-]*\s*$/u.test(line)) {
      isFenced = !isFenced;
      continue;
    }
    const text = withoutControls(isFenced ? `    ${line}` : line).trimEnd();
    if (text.trim() !== '') messages.push(text);
  }
  return messages;
}

/** A text without the control characters that a line may not have (§2.3). Tab is allowed. */
function withoutControls(text) {
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/gu, '').toWellFormed();
}

/**
 * A request as a line. Its words have no spaces; the text goes to the end of the line.
 * @param {{ verb: string, words?: (string|number)[], text?: string, n?: number }} request
 */
export function encode({ verb, words = [], text, n }) {
  const parts = [verb, ...words];
  if (text !== undefined) parts.push(text);
  const line = parts.join(' ');
  return n === undefined ? line : `@n=${n} ${line}`;
}

/** Verbs whose first argument an error repeats (§13.4). */
const TARGETED = new Set([
  'JOIN', 'LEAVE', 'TOPIC', 'INVITE', 'LINK', 'UNLINK', 'KICK', 'BAN', 'UNBAN', 'MUTE', 'UNMUTE', 'REPORT', 'MEMBERS',
  'ROOM', 'SAY', 'OPEN', 'CLOSE', 'HISTORY', 'READ', 'READERS', 'SEARCH', 'REDACT',
]);

/** The parts of a request line by which its answer is recognised. The server, too, drops the white space around them. */
export function describeRequest(raw) {
  const { tags, body } = splitTags(raw.trim());
  const line = parseLine(body.trimStart());
  const verb = line.verb.toUpperCase();
  const argument = line.rest.trimStart().split(' ')[0];
  return { verb, target: TARGETED.has(verb) ? argument : '', hasArguments: argument !== '', n: tags.n ?? null };
}

/** A request line without its secrets, for a log. */
export function withoutSecrets(raw) {
  if (!/^\s*(CLAIM|PASSWD|LOGIN|TOKEN_OK|JOIN|UNLINK|LINK_OK)\s/i.test(raw)) return raw;
  return raw
    .replace(/^(\s*(?:CLAIM|PASSWD)\s+password\s).*/i, '$1…')
    .replace(/^(\s*LOGIN\s+\S+\s+\S+\s+(?:password|token)\s).*/i, '$1…')
    .replace(/^(\s*TOKEN_OK\s).*/i, '$1…')
    .replace(/^(\s*(?:JOIN|UNLINK|LINK_OK)\s+\S+\s).*/i, '$1…');
}
