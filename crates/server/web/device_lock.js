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
    this.end = () => {};
    /** Settles when the browser has the lock back. */
    this.held = Promise.resolve();
  }

  /**
   * Takes the device if no other tab has it, or takes it away from that tab.
   * @param {string} device
   * @param {{ steal?: boolean }} [options]
   * @returns {Promise<boolean>} Whether this tab is the device now.
   */
  async acquire(device, { steal = false } = {}) {
    await this.release();
    if (!navigator.locks) return true;
    return new Promise((resolve) => {
      let isHeld = false;
      const hold = (lock) => {
        isHeld = lock !== null;
        resolve(isHeld);
        return isHeld ? new Promise((end) => (this.end = () => end((isHeld = false)))) : undefined;
      };
      const options = steal ? { steal: true } : { ifAvailable: true };
      this.held = navigator.locks.request(`switchboard/${device}`, options, hold).catch(() => isHeld && this.onLost());
    });
  }

  release() {
    this.end();
    return this.held;
  }
}
