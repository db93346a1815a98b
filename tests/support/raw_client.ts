// A client that sends bytes as they are, normalises nothing and keeps no rule: over TCP, and past the handshake if need be.

import { UPGRADE_PATH, UPGRADE_PROTOCOL } from "../../core/upgrade.ts";

/** A connection by hand. */
export class RawClient implements Disposable {
  readonly #conn: Deno.TcpConn;
  #text = "";
  /** Whether the server has ended the connection. */
  readonly ended: Promise<void>;
  /** Bytes that could be sent. */
  sent = 0;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.ended = this.#read();
  }

  static async connect(address: string): Promise<RawClient> {
    const [, hostname, port] = /^(.*):(\d+)$/.exec(address)!;
    return new RawClient(await Deno.connect({ hostname: hostname!, port: Number(port) }));
  }

  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch {
      // The server was faster.
    }
  }

  /** All that came so far, a character a byte. */
  get text(): string {
    return this.#text;
  }

  /** Sends bytes, or a character a byte. @returns Whether they could be sent. */
  async send(data: string | Uint8Array): Promise<boolean> {
    const bytes = typeof data === "string" ? Uint8Array.from(data, (char) => char.charCodeAt(0)) : data;
    try {
      for (let at = 0; at < bytes.length;) {
        const count = await this.#conn.write(bytes.subarray(at));
        at += count;
        this.sent += count;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Goes on sending what `next` makes until the server does not take it any more, or `most` bytes are sent. */
  async flood(next: () => string | Uint8Array, most: number): Promise<void> {
    while (this.sent < most && await this.send(next()));
  }

  /** Asks for the protocol as a client does. */
  upgrade(headers = ""): Promise<boolean> {
    return this.send(
      `GET ${UPGRADE_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n${headers}\r\n`,
    );
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        if (this.#text.length < 1 << 20) {
          this.#text += String.fromCharCode(...buffer.subarray(0, Math.min(count, 8192)));
        }
      }
    } catch {
      // Reset, or closed by us.
    }
    this[Symbol.dispose]();
  }
}
