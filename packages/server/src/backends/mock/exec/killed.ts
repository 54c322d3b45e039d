/** Why a simulated command ends: somebody sent it a signal, and it has no handler for any. */
export class Killed extends Error {
  readonly signal: string;

  constructor(signal: string) {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}
