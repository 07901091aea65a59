/**
 * The bytes around a line: its frame of WebSocket (RFC 6455 §5.2) and of TLS, as far as a page can know them.
 */
import { utf8Length } from './protocol.js';

/** Bytes that TLS 1.3 adds to a record: its header, the type of its content, and the tag (RFC 8446 §5.2). */
export const TLS_RECORD_BYTES = 5 + 1 + 16;

/**
 * @typedef {object} Frame
 * @property {number} payload Bytes of the line.
 * @property {number} header Bytes of the frame before it.
 * @property {string} bits The header in words.
 */

/**
 * The frame that carries a line. A client masks its frames, a server does not.
 * @param {string} line
 * @param {boolean} isMasked
 * @returns {Frame}
 */
export function frameOf(line, isMasked) {
  const payload = utf8Length(line);
  const extended = payload < 126 ? 0 : payload < 65_536 ? 2 : 8;
  const header = 2 + extended + (isMasked ? 4 : 0);
  const lengthField = extended === 0 ? `${payload}` : extended === 2 ? `126, then ${payload} in 2 bytes` : `127, then ${payload} in 8 bytes`;
  const mask = isMasked ? 'MASK 1, length' : 'MASK 0, length';
  return { payload, header, bits: `FIN 1, opcode 1 (text), ${mask} ${lengthField}${isMasked ? ', masking key of 4 bytes' : ''}` };
}

/** The words `key=value` of a line such as WIRE_OK. */
export function wireWords(words) {
  return words.filter((word) => word.includes('=')).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]);
}
