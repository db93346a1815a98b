// Randomness, handed in from where the engines are put together so that tests can fix it.

/** A number in 0..1, 1 excluded. */
export const random: () => number = Math.random;

/** A random id: 128 bits as a UUID. */
export function randomId(): string {
  return crypto.randomUUID();
}
