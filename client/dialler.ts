// Dials again and again for one client, and keeps what has led to a server.

import { IdentityError, RefusedError } from "../core/errors.ts";
import type { Link } from "../core/link.ts";
import { dial } from "./dial.ts";
import { isWorthStoring, type Route, storeRoute } from "./route.ts";

/** The connections of a client to its server. */
export class Dialler {
  #route: Route;
  /** Whether there has been a connection. */
  #known = false;

  /** @param state Folder for all of dirsync's state. */
  constructor(route: Route, readonly state: string, readonly signal: AbortSignal) {
    this.#route = route;
  }

  /**
   * Connects.
   * @throws {DisconnectedError | RefusedError} What answers with another identity is refused: for good at the start, and later,
   * when the right one has been met before, until it is that again.
   */
  async dial(): Promise<Link> {
    try {
      const { link, route } = await dial(this.#route, this.signal);
      if (!this.#known && isWorthStoring(route)) storeRoute(this.state, route);
      this.#known = true;
      this.#route = route;
      return link;
    } catch (error) {
      if (error instanceof IdentityError) throw new RefusedError(error.message, this.#known);
      // Without TLS anybody on the way can say no.
      const isDoubtful = this.#known && this.#route.trust.kind === "plain";
      if (error instanceof RefusedError && isDoubtful) throw new RefusedError(error.message, true);
      throw error;
    }
  }
}
