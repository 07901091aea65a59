/**
 * Draws one row of a conversation: a message, an event, a gap, or a message that waits.
 */
import { codePointName, partsOf, words } from '../text.js';
import { element, nameElement } from './element.js';
import { clockOf, dayOf, isOtherDay, timeOf } from './times.js';

/** Messages of one author within this time share one heading, in milliseconds. */
const GROUP_TIME = 5 * 60_000;

const HUES = 8;

/** The nodes of a text, with links and code. */
function textNodes(text) {
  return partsOf(text).map(partNode);
}

/** The nodes of a text in which only control characters are marked. */
export function plainNodes(text) {
  return words(text).map(partNode);
}

function partNode({ kind, text, href }) {
  if (kind === 'text') return document.createTextNode(text);
  if (kind === 'code') return element('code', { dir: 'auto', text });
  if (kind === 'block') return element('pre', { dir: 'ltr', text });
  if (kind === 'control') return element('span', { class: 'control', text: codePointName(text) });
  // The title shows the address that will be opened: a host in other letters appears in its ASCII form.
  const title = href;
  return element('a', { href, title, text, dir: 'ltr', target: '_blank', rel: 'noopener noreferrer nofollow', referrerpolicy: 'no-referrer' });
}

/** A colour for an author: an account keeps it when a guest of the same name comes. */
function hueOf(by, author) {
  let hash = 0;
  for (const character of by ?? `guest ${author}`) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return `hue-${hash % HUES}`;
}

/** The line between two days, if there is one. */
function dayMark(time, previousTime) {
  return isOtherDay(time, previousTime) && element('div', { class: 'day', role: 'separator', text: dayOf(time) });
}

/** Whether a message continues the group of the one before it. */
function continues(record, previous, time, previousTime) {
  return (
    previous?.verb === 'FROM' && previous.author === record.author && previous.by === record.by &&
    !isOtherDay(time, previousTime) && time - previousTime < GROUP_TIME
  );
}

/**
 * @typedef {object} RowOptions
 * @property {boolean} isOwn
 * @property {string} [state] Such as `stored` or `read by Elias`.
 * @property {boolean} [isWrong]
 * @property {(name: string) => void} [onName]
 * @property {(button: HTMLElement) => void} [onMenu]
 * @property {{ label: string, run: () => void }[]} [actions]
 */

/**
 * A row for a message.
 * @param {{ author: string, by: ?string, at: string|Date, text: string, verb: string, redactedBy?: ?number }} record
 * @param {?object} previous The record before it.
 * @param {RowOptions} options
 */
export function messageRow(record, previous, options) {
  const [time, previousTime] = [timeOf(record.at), previous ? timeOf(previous.at) : null];
  const startsGroup = !continues(record, previous, time, previousTime);
  const article = element(
    'article',
    { class: `message${startsGroup ? ' starts' : ''}${options.isWaiting ? ' is-waiting' : ''}`, tabindex: '-1' },
    startsGroup ? heading(record, time, options) : element('span', { class: 'visually-hidden', text: `${record.author}:` }),
    body(record),
    stateLine(options),
    options.onMenu && moreButton(options.onMenu),
  );
  if (time) article.dataset.at = time.toISOString();
  return element('div', { class: 'item' }, dayMark(time, previousTime), article);
}

function heading(record, time, { isOwn, onName }) {
  const hue = hueOf(record.by, record.author);
  const name = nameElement(record.author, { class: `name ${hue}` });
  const button = onName && !isOwn ? element('button', { class: `plain ${hue}`, tabindex: '-1', click: () => onName(record.author) }, name) : name;
  const tag = record.by === null && record.isGuestKnown !== false && element('span', { class: 'tag', text: 'guest', title: 'Has no account: anybody may have this name next' });
  const stamp = time && element('time', { datetime: time.toISOString(), text: clockOf(time) });
  return element('div', { class: 'by' }, button, tag, stamp);
}

function body(record) {
  if (record.redactedBy) return element('div', { class: 'body faint', text: 'This message was deleted.' });
  return element('div', { class: 'body', dir: 'auto' }, ...textNodes(record.text));
}

function stateLine({ state, isWrong, actions = [] }) {
  if (!state && actions.length === 0) return null;
  const buttons = actions.map(({ label, run }) => element('button', { class: 'plain', type: 'button', text: label, click: run }));
  return element('div', { class: `state${isWrong ? ' is-wrong' : ''}` }, element('span', { text: state }), ...buttons);
}

function moreButton(onMenu) {
  const open = ({ currentTarget }) => onMenu(currentTarget);
  return element('button', { class: 'icon more', 'aria-label': 'More about this message', 'aria-haspopup': 'menu', tabindex: '-1', text: '⋯', click: open });
}

/** Sentences for the records that are no messages (§13.6). */
const EVENTS = {
  JOINED: () => ' has joined.',
  LEFT: () => ' has left.',
  TOPIC: (text) => (text === '' ? ' has removed the topic.' : ` has set the topic: ${text}`),
  INVITED: (text) => ` has invited ${text}.`,
  KICKED: (text) => ` has removed ${text}.`,
  BANNED: (text) => ` has banned ${text}.`,
  UNBANNED: (text) => ` lets ${text} come back.`,
  MUTED: (text) => (text.includes(' ') ? ` has muted ${text.replace(' ', ' for ')}.` : ` has muted ${text}.`),
  UNMUTED: (text) => ` lets ${text} write again.`,
  AUDIT: (text) => `: ${text}`,
  QUOTED: (text) => ` had said: ${text}`,
  REDACTED: (text) => (/^\d+$/.test(text) ? ` has deleted message ${text}.` : ` has deleted the messages of ${text}.`),
  SET: (text) => ` has changed a setting: ${text}.`,
};

/** A row for an event, such as JOINED. */
export function eventRow(record, previous) {
  const time = timeOf(record.at);
  const mark = dayMark(time, previous ? timeOf(previous.at) : null);
  const sentence = Object.hasOwn(EVENTS, record.verb) ? EVENTS[record.verb](record.text) : ` ${record.verb} ${record.text}`;
  const stamp = time && element('time', { datetime: time.toISOString(), text: ` ${clockOf(time)}` });
  const line = element('div', { class: 'event', tabindex: '-1' }, nameElement(record.author), element('bdi', {}, ...plainNodes(sentence)), stamp);
  return element('div', { class: 'item' }, mark, line);
}

const GAP_REASONS = {
  EXPIRED: 'deleted by the server, because of their age or number',
  HIDDEN: 'hidden, because you have blocked their author',
  LOST: 'lost by the server',
};

/** A row for records that the server does not have any more, or does not show. */
export function gapRow({ from, to, reason }) {
  const count = to - from + 1;
  const records = count === 1 ? `Record ${from} is` : `Records ${from} to ${to} are`;
  const why = Object.hasOwn(GAP_REASONS, reason) ? GAP_REASONS[reason] : `not there: ${reason}`;
  return element('div', { class: 'item' }, element('div', { class: 'gap', tabindex: '-1', text: `${records} ${why}.` }));
}

/** A row for records that the page has not loaded. */
export function holeRow({ from, to }, load) {
  const count = to - from + 1;
  const text = count === 1 ? 'One message is not loaded.' : `${count.toLocaleString()} messages are not loaded.`;
  const fromStart = count > 256 && element('button', { type: 'button', text: 'Load the first of them', click: () => load(true) });
  const fromEnd = element('button', { type: 'button', text: count > 256 ? 'Load the last of them' : 'Load', click: () => load(false) });
  return element('div', { class: 'item' }, element('div', { class: 'gap' }, element('span', { text }), fromStart, fromEnd));
}

/** A row for a sentence of the page itself. */
export function noteRow(text) {
  return element('div', { class: 'item' }, element('div', { class: 'event', dir: 'auto', text }));
}
