/**
 * The conversation in the address of the page: `#lab` is the room lab, and `#@Elias` the conversation with Elias. No name
 * of a room begins with `@`.
 */
import { isWord } from './protocol.js';

/** The target in the address, or ''. */
export function targetInAddress(hash = location.hash) {
  let text;
  try {
    text = decodeURIComponent(hash.slice(1));
  } catch {
    return '';
  }
  if (!isWord(text)) return '';
  if (text.startsWith('@')) return isWord(text.slice(1)) ? text.slice(1) : '';
  return `#${text.replace(/^#+/, '')}`.length > 1 ? `#${text.replace(/^#+/, '')}` : '';
}

/** The part of the address after `#` for a target. */
export function addressOf(target) {
  return target.startsWith('#') ? `#${encodeURIComponent(target.slice(1))}` : `#@${encodeURIComponent(target)}`;
}
