// Wakes who waits for something that may come at any time, also just before.

/** Rung by some, heard by one. */
export class Bell {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves when it is rung, or has been since it was heard last. */
  async heard(): Promise<void> {
    if (!this.#isRung) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#isRung = false;
  }
}
