/**
 * Times in the reader's own zone and language.
 */
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayAndYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/** The time of a record, or null if it is none. */
export function timeOf(at) {
  const time = at instanceof Date ? at : new Date(at);
  return Number.isNaN(time.getTime()) ? null : time;
}

export function clockOf(time) {
  return time ? clock.format(time) : '';
}

export function fullTime(time) {
  return time ? full.format(time) : 'at an unknown time';
}

export function dayOf(time) {
  const isThisYear = time.getFullYear() === new Date().getFullYear();
  return (isThisYear ? day : dayAndYear).format(time);
}

/** Whether two times are on different days, as far as both are known. */
export function isOtherDay(time, previous) {
  return time !== null && (previous === null || time.toDateString() !== previous.toDateString());
}
