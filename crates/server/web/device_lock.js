/**
 * Lets one tab at a time be a device. A device is connected once (docs/protocol.md §14.2), and its message numbers and
 * its outbox have one writer.
 *
 * Browsers have no locks on pages without encryption. There, the server ends the earlier session with DISPLACED.
 */
export class DeviceLock {
  /** @param {() => void} onLost Another tab has taken the device over. */
  constructor(onLost) {
    this.onLost = onLost;
    this.release = () => {};
  }

  /**
   * Takes the device if no other tab has it, or takes it away from that tab.
   * @param {string} device
   * @param {{ steal?: boolean }} [options]
   * @returns {Promise<boolean>} Whether this tab is the device now.
   */
  acquire(device, { steal = false } = {}) {
    this.release();
    if (!navigator.locks) return Promise.resolve(true);
    return new Promise((resolve) => {
      const hold = (lock) => {
        resolve(lock !== null);
        return lock && new Promise((release) => (this.release = () => release(true)));
      };
      const options = steal ? { steal: true } : { ifAvailable: true };
      const held = navigator.locks.request(`switchboard/${device}`, options, hold);
      held.catch(() => this.onLost());
    });
  }
}
