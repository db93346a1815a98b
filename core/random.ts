// Randomness, handed in from where the engines are put together so that tests can fix it.

/** A number in 0..1, 1 excluded. */
export const random: () => number = Math.random;

/** `count` random bytes that nobody can foresee: for tokens. */
export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** A random id: 128 bits as a UUID. */
export function randomId(): string {
  return crypto.randomUUID();
}
