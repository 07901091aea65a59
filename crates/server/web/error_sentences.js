/**
 * The sentence for each error code: docs/protocol.md §6. Codes of later servers are shown as they are.
 */
const SENTENCES = {
  // Two codes of the page itself, for messages that it does not send without a question.
  OTHER_CONVERSATION: 'this name belongs to another conversation now.',
  OTHER_NAME: 'it was written under another name.',
  UNKNOWN_COMMAND: 'The server does not know that command.',
  MISSING_ARGUMENT: 'Something is missing in that command.',
  LINE_TOO_LONG: 'That line was too long and was dropped: send it in parts.',
  TEXT_TOO_LONG: 'That message was too long and was not sent: send it in parts.',
  INVALID_TEXT: 'That line was dropped: it has a control character.',
  INVALID_NAME: "That name cannot be had: use 1 to 32 letters, digits, '_', '-' or '.', of any script, without spaces.",
  NAME_TAKEN: 'Somebody else has that name, or one that looks like it: choose another.',
  ALREADY_REGISTERED: 'You have a name already: open another tab for another name.',
  NOT_REGISTERED: 'You have no name yet.',
  USER_NOT_FOUND: 'Nobody here has that name.',
  USER_BUSY: 'One of you is in a private chat already: end it first, or try again later.',
  NOT_CONNECTED: 'That chat has ended, so the message was not sent.',
  SELF_CONNECT: 'That is you: choose somebody else.',
  REGISTER_TIMEOUT: 'No name was registered in time.',
  SERVER_FULL: 'The server is full: try again later.',
  TOO_MANY_SESSIONS: 'Your address has too many sessions open: close one first.',
  SERVER_SHUTDOWN: 'The server is shutting down.',
  KICKED: 'The operator has closed this session: ask the operator before you connect again.',
  BANNED: 'You are banned from this server: ask its operator.',
  INVALID_TAG: 'The tags before the command are not valid.',
  INVALID_ARGUMENT: 'That command does not take such an argument.',
  INVALID_ROOM: "That cannot be a room's name: use '#' and 1 to 31 letters, digits, '_', '-' or '.'.",
  NOT_LOGGED_IN: 'That needs an account: log in, or make your name an account.',
  ALREADY_LOGGED_IN: 'You are logged in already.',
  LOGIN_FAILED: 'The name or its password is wrong: check both, and try again.',
  NOT_SECURE: 'This connection is not encrypted, so it takes no passwords: open the page over https.',
  DISPLACED: 'This account was opened in another window as the same device.',
  REVOKED: 'This device is no longer part of the account: log in again.',
  DEVICE_NOT_FOUND: 'Your account has no device of that name.',
  ROOM_NOT_FOUND: 'There is no such room.',
  NOT_A_MEMBER: 'Only members of that room may do that: an account becomes one by joining, if the room admits it.',
  NOT_ALLOWED: 'You may not do that there: in a room, its owner decides who may.',
  MUTED: 'A moderator of that room has muted you: read on, and ask when you may write again.',
  TOO_SOON: 'That room is in slow mode: wait a little before your next message.',
  NOT_OPEN: 'That conversation is not open.',
  RECORD_NOT_FOUND: 'That conversation has no record of this number.',
  STALE: 'The server cannot tell whether that message was stored.',
  UNAVAILABLE: 'The server cannot store anything now. The page tries again.',
  TRY_LATER: 'That was tried too often: wait a minute, then try again.',
  STORE_FULL: 'The disk of the server is full. The page tries again.',
  QUOTA_FULL: 'You have stored as much as you may: try again later, or ask the operator.',
  TOO_MANY_ACCOUNTS: 'The server takes no more accounts: ask the operator.',
  TOO_MANY_DEVICES: 'Your account has too many devices: remove one first.',
  TOO_MANY_ROOMS: 'There are too many rooms: leave one first, or ask the operator.',
  ROOM_FULL: 'That room is full, or its list of invited or banned people is.',
  TOO_MANY_OPEN: 'You have too many conversations open.',
  TOO_MANY_WATCHERS: 'Too many sessions watch who comes and goes.',
  TOO_MANY_BLOCKED: 'You have blocked too many people: unblock one first.',
  TOO_MANY_BANS: 'The server has too many bans: end one first.',
  NOT_SUPPORTED: 'This server does not offer that.',
};

/**
 * The sentence for a login, or for the password of a new account, that was refused.
 * @param {string} code
 * @param {boolean} [isToken] Whether the browser has logged in by itself.
 */
export function loginSentence(code, isToken = false) {
  if (code === 'TEXT_TOO_LONG') return 'That password is too long: it can have 1,024 bytes.';
  if (code === 'LOGIN_FAILED' && isToken) return 'This browser is not logged in any more: type your password.';
  return errorSentence(code);
}

/** @param {string} code */
export function errorSentence(code) {
  return Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : `The server answered ${code}.`;
}
