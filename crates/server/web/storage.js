/**
 * Values that outlive the page. A browser may refuse them (private windows, a full disk); they then live until the page
 * is closed.
 */
const PREFIX = 'switchboard/';

export class Storage {
  /** @param {globalThis.Storage|null} area `localStorage` for all tabs, or `sessionStorage` for this one. */
  constructor(area) {
    this.area = area;
    this.memory = new Map();
  }

  /** The value of a key, or `otherwise`. A value in memory is newer than the stored one, which it could not replace. */
  get(key, otherwise = null) {
    try {
      const text = this.memory.get(key) ?? this.area?.getItem(PREFIX + key);
      return text === undefined || text === null ? otherwise : JSON.parse(text);
    } catch {
      return otherwise;
    }
  }

  /** Stores a value. Returns whether it will outlive the page. */
  set(key, value) {
    const text = JSON.stringify(value);
    try {
      this.area.setItem(PREFIX + key, text);
      this.memory.delete(key);
      return true;
    } catch {
      this.memory.set(key, text);
      return false;
    }
  }

  remove(key) {
    this.memory.delete(key);
    try {
      this.area?.removeItem(PREFIX + key);
    } catch {
      // The value was never stored.
    }
  }

  /** Removes all values whose keys begin with `start`. */
  removeAll(start) {
    for (const key of this.keys(start)) this.remove(key);
  }

  /** All keys that begin with `start`. */
  keys(start) {
    const keys = new Set([...this.memory.keys()]);
    try {
      for (let at = 0; at < this.area.length; at += 1) {
        const key = this.area.key(at);
        if (key.startsWith(PREFIX)) keys.add(key.slice(PREFIX.length));
      }
    } catch {
      // Only the memory has keys.
    }
    return [...keys].filter((key) => key.startsWith(start)).sort();
  }
}

/** The storage of all tabs (`local`) and that of this tab (`tab`). */
export function openStorage() {
  return { local: new Storage(area('localStorage')), tab: new Storage(area('sessionStorage')) };
}

function area(name) {
  try {
    return globalThis[name];
  } catch {
    return null;
  }
}
