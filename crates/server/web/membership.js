/**
 * Records after which the server sends nothing more of a room: docs/protocol.md §15.3, "The end of membership".
 */
import { fold } from './protocol.js';

/**
 * How a record that has just come changes the view of a user: `left` and `removed` end it, `closed` may end it (only
 * members still read), and others do not.
 * @param {import('./protocol.js').ChatRecord} record
 * @param {string} name The user's name.
 * @param {boolean} isGuest Guests are no members.
 * @returns {'left'|'removed'|'closed'|null}
 */
export function endOfView({ verb, author, text }, name, isGuest) {
  if (verb === 'SET') return text === 'guests none' ? 'closed' : null;
  if (isGuest) return null;
  if (verb === 'LEFT') return fold(author) === fold(name) ? 'left' : null;
  return (verb === 'KICKED' || verb === 'BANNED') && fold(text) === fold(name) ? 'removed' : null;
}

/** The sentence for a conversation that has ended for the user, by a record or by CLOSE_OK. */
export function sentenceOfEnd(conversation, record) {
  if (record?.verb === 'LEFT') return `You have left ${conversation.target}.`;
  if (record?.verb === 'KICKED') return `${record.author} has removed you from ${conversation.target}.`;
  if (record?.verb === 'BANNED') return `${record.author} has banned you from ${conversation.target}.`;
  return `${conversation.target} is closed: you may not read it any more.`;
}
