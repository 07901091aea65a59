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

/** Names and units for the words of WIRE_OK (docs/protocol.md §15.7). Words of later servers keep their own names. */
const FIGURES = {
  open: ['Open conversations', ''],
  waiting: ['Answers that wait for the disk', ''],
  transport: ['Transport', ''],
  rtt_us: ['Round trip, smoothed (SRTT)', 'µs'],
  rttvar_us: ['Its variation (RTTVAR)', 'µs'],
  rto_us: ['Retransmission timeout (RTO)', 'µs'],
  mss: ['Largest segment (MSS)', 'bytes'],
  cwnd: ['Congestion window', 'segments'],
  unacked: ['Not acknowledged yet', 'segments'],
  retransmitted: ['Sent again', 'segments'],
  sent_bytes: ['Sent by the server', 'bytes'],
  acked_bytes: ['Acknowledged by this side', 'bytes'],
  received_bytes: ['Received by the server', 'bytes'],
};

/**
 * The figures of WIRE_OK, each as its name and its value.
 * @param {string[]} words
 */
export function wireFigures(words) {
  return words
    .filter((word) => word.includes('='))
    .map((word) => {
      const [key, value] = [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)];
      const [name, unit] = Object.hasOwn(FIGURES, key) ? FIGURES[key] : [key, ''];
      return [name, unit === '' ? value : `${value} ${unit}`];
    });
}
