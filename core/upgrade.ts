// How a client asks for a connection, before any message of the protocol.

/** What the HTTP upgrade asks for. */
export const UPGRADE_PROTOCOL = "dirsync";
/** Where it asks. */
export const UPGRADE_PATH = "/dirsync";
/** What a server that is known by its fingerprint calls itself in TLS, wherever it is. */
export const SERVER_NAME = "dirsync.internal";
