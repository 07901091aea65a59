/**
 * Lets parts of the page hear of changes in another part.
 */
export class Emitter {
  #listeners = new Map();

  /** Calls `listener` with the arguments of each later `emit` of this name. */
  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  emit(name, ...values) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...values);
  }
}
