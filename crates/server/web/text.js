/**
 * The parts of a message text: words, links and code. No DOM.
 */
import { fold } from './protocol.js';

/** @typedef {{ kind: 'text'|'link'|'code'|'block'|'control', text: string, href?: string }} Part */

/** Code in three or one backticks, or an address of the web. Addresses of other schemes stay text. */
const MARKS = /```(.+?)```|`([^`]+)`|https?:\/\/[^\s<>"`]+/giu;

/**
 * Characters that would move or hide the text around them: overrides and isolates of direction, line separators, and
 * invisible spaces (docs/protocol.md §12). Marks of direction are not among them: right-to-left texts need them, and each
 * text is isolated.
 */
const CONTROLS = /([\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff])/u;

/** A line of code begins with four spaces or a tab, as in Markdown. */
export function isCodeLine(text) {
  return /^( {4}|\t)/.test(text);
}

/** @param {string} text @returns {Part[]} */
export function partsOf(text) {
  if (isCodeLine(text)) return [{ kind: 'block', text: text.replace(/^( {4}|\t)/, '') }];
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(MARKS)) {
    const [whole, block, code] = match;
    const part = block !== undefined ? { kind: 'block', text: block } : code !== undefined ? { kind: 'code', text: code } : linkOf(whole);
    if (!part) continue;
    parts.push(...words(text.slice(end, match.index)), part);
    end = match.index + (part.kind === 'link' ? part.text.length : whole.length);
  }
  return [...parts, ...words(text.slice(end))];
}

/** A text without links and code. Each control character is a part of its own, so that it can be shown. */
export function words(text) {
  return text
    .split(CONTROLS)
    .filter((piece) => piece !== '')
    .map((piece) => ({ kind: CONTROLS.test(piece) ? 'control' : 'text', text: piece }));
}

/** The link that a word begins with, without the punctuation of the sentence around it. */
function linkOf(word) {
  let text = word.split(CONTROLS)[0].replace(/[.,;:!?'*_~]+$/u, '');
  while (/[)\]}]$/u.test(text) && !isBalanced(text)) text = text.slice(0, -1);
  try {
    const { protocol, href, host } = new URL(text);
    return (protocol === 'http:' || protocol === 'https:') && host !== '' ? { kind: 'link', text, href } : null;
  } catch {
    return null;
  }
}

/** Whether the last bracket of a text closes one in the text. */
function isBalanced(text) {
  const close = text.at(-1);
  const open = { ')': '(', ']': '[', '}': '{' }[close];
  return text.split(open).length >= text.split(close).length;
}

/** Whether a text has a name as a whole word, in any case. */
export function isMentioned(name, text) {
  const escaped = fold(name).replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  return new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, 'u').test(fold(text));
}

/** How a control character is shown: `U+202E`. */
export function codePointName(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
