/**
 * The choices of this browser's user.
 */
export class SettingsStore {
  /** @param {import('./storage.js').Storage} storage */
  constructor(storage) {
    this.storage = storage;
    this.apply();
  }

  /** `auto`, `light` or `dark`. */
  get theme() {
    const theme = this.storage.get('theme', 'auto');
    return ['auto', 'light', 'dark'].includes(theme) ? theme : 'auto';
  }

  set theme(theme) {
    this.storage.set('theme', theme);
    this.apply();
  }

  /** Tells the style sheet. Without a choice, the colours are those of the system. */
  apply() {
    document.documentElement.dataset.theme = this.theme;
  }
}
