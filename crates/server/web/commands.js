/**
 * Slash commands of the composer: each is a line of the protocol, whose first target may be left out.
 */

/**
 * @typedef {object} Command
 * @property {string} verb
 * @property {string} form The arguments, as shown to the user.
 * @property {string} about
 * @property {boolean} [isHere] Whether the present conversation is its first argument.
 */

/** @type {Command[]} */
const COMMANDS = [
  { verb: 'RAW', form: '<line>', about: 'send any line of the protocol, and show its answer' },
  { verb: 'JOIN', form: '<#room>', about: 'join and open a room' },
  { verb: 'LEAVE', form: '', about: 'leave this room, or the one that you name' },
  { verb: 'TOPIC', form: '<text>', about: 'set the topic of this room', isHere: true },
  { verb: 'INVITE', form: '<name> [<time>]', about: 'invite an account to this room, such as for 2d', isHere: true },
  { verb: 'LINK', form: '[<time>] [<number>]', about: 'make a join link of this room, such as 2d 30', isHere: true },
  { verb: 'UNLINK', form: '[<word>]', about: 'end a join link of this room, or all', isHere: true },
  { verb: 'KICK', form: '<name>', about: 'remove a member', isHere: true },
  { verb: 'BAN', form: '<name>', about: 'remove an account for good', isHere: true },
  { verb: 'UNBAN', form: '<name>', about: 'let a banned account come back', isHere: true },
  { verb: 'MUTE', form: '<name> [<time>]', about: 'let somebody read and not write, such as for 10m', isHere: true },
  { verb: 'UNMUTE', form: '<name>', about: 'let somebody write again', isHere: true },
  { verb: 'ROOM', form: '<setting> <value>', about: 'change this room: guests, invite, keep, slow, moderator', isHere: true },
  { verb: 'MEMBERS', form: '', about: 'list the members', isHere: true },
  { verb: 'REDACT', form: '<number>', about: 'delete the text of a message', isHere: true },
  { verb: 'REPORT', form: '<number> [<reason>]', about: 'report a message to the operators', isHere: true },
  { verb: 'READERS', form: '<number>', about: 'list the readers of a record', isHere: true },
  { verb: 'SEARCH', form: '<words>', about: 'search this conversation', isHere: true },
  { verb: 'HISTORY', form: '<before> <count>', about: 'read older records', isHere: true },
  { verb: 'BLOCK', form: '<name>', about: 'hide the messages of an account' },
  { verb: 'UNBLOCK', form: '<name>', about: 'show them again' },
  { verb: 'WHO', form: '', about: 'list the people who are here' },
  { verb: 'ROOMS', form: '', about: 'list the rooms' },
  { verb: 'DEVICES', form: '', about: 'list the devices of your account' },
  { verb: 'REVOKE', form: '<device>', about: 'remove a device from your account' },
  { verb: 'WIRE', form: '', about: 'show figures of this connection' },
  { verb: 'PING', form: '', about: 'ask whether the server is there' },
];

/** Whether a typed text is a command. Two slashes begin a message with one. */
export function isCommand(text) {
  return /^\/[a-z]/i.test(text) && !text.includes('\n');
}

/** The commands that a beginning such as `/to` can become. */
export function completions(text) {
  const word = /^\/([a-z]*)$/i.exec(text)?.[1];
  return word === undefined ? [] : COMMANDS.filter(({ verb }) => verb.startsWith(word.toUpperCase()));
}

/**
 * The line of a command, or null if there is no such command.
 * @param {string} text Such as `/topic Wires and waves`.
 * @param {string} here The target of the present conversation, or ''.
 * @returns {?{ verb: string, line: string }}
 */
export function lineOfCommand(text, here) {
  const [, word, argument] = /^\/([a-z]+) ?(.*)$/isu.exec(text) ?? [];
  const command = COMMANDS.find(({ verb }) => verb === word?.toUpperCase());
  if (!command) return null;
  if (command.verb === 'RAW') return { verb: 'RAW', line: argument };
  const isHere = command.isHere || (command.verb === 'LEAVE' && argument === '');
  const words = [command.verb, isHere ? here : '', argument].filter((part) => part !== '');
  return { verb: command.verb, line: words.join(' ') };
}
