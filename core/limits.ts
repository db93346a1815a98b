// Every limit that a peer can meet, in one place. Sizes in bytes unless the name says otherwise.

/** Longest name of one entry: what Linux allows. */
export const MAX_NAME_BYTES = 255;
/** Longest path below a root. Linux's PATH_MAX limits one call, not a tree; deeper ones are reached step by step. */
export const MAX_PATH_BYTES = 32768;
/** Most names in one path. */
export const MAX_PATH_DEPTH = 2048;
/** Longest text of a symbolic link. */
export const MAX_TARGET_BYTES = 4096;
/** Longest message on the wire; the longest chunk and its header fit in. */
export const MAX_MESSAGE_BYTES = 2 << 20;
/** Most bytes of messages that travel packed together. */
export const MAX_PACK_BYTES = 4 << 20;
/** Largest average chunk size; the longest chunk is four times as long. */
export const MAX_AVERAGE = 256 << 10;
/** Smallest average chunk size. */
export const MIN_AVERAGE = 2 << 10;
/** Largest file: what a number holds exactly. */
export const MAX_FILE_BYTES = Number.MAX_SAFE_INTEGER;
/** Most steps that one commit may hold. */
export const MAX_STEPS = 65536;
/** Most chunk digests asked for in one message. */
export const MAX_ASKED = 8192;
/** Most chunks whose pieces are asked for in one message. */
export const MAX_SKETCHED = 64;
/** Most bytes that these may have together. */
export const MAX_SKETCHED_BYTES = 2 << 20;
/** Most pieces in one answer. */
export const MAX_PIECES = 65536;
/** Bytes of a digest, which is a SHA-256. */
export const DIGEST_BYTES = 32;
/** Bytes of a piece's fingerprint. */
export const PRINT_BYTES = 8;
/** Longest text (names of hosts, reasons) in a message. */
export const MAX_TEXT_BYTES = 4096;
/** With the first bytes of a connection, so many, a client measures its line (client/probe.ts). */
export const PROBE_BYTES = 1 << 20;
/** Meanwhile the server tells what it has received after every so many. */
export const RECEIPT_BYTES = 128 << 10;
/** Bytes on their way to a peer or a Worker before the sender waits. */
export const LINK_WINDOW_BYTES = 2 << 20;
/** A peer that sent nothing for so long is gone (ms). */
export const PEER_SILENCE_MS = 45_000;
/** An idle client says so this often (ms). */
export const KEEP_ALIVE_MS = 15_000;
/** Largest value of one extended attribute: what Linux allows. */
export const MAX_XATTR_BYTES = 64 << 10;
/** Most that all extended attributes of one entry may take, encoded. */
export const MAX_XATTRS_BYTES = 512 << 10;
/** Longest head of an HTTP request or answer, before anybody is let in. */
export const MAX_HEAD_BYTES = 8192;
/** How long the TLS handshake may take, and after it the head of the request (ms). */
export const HANDSHAKE_MS = 10_000;
/** How long a client that was let in may take to introduce itself (ms). */
export const HELLO_MS = 10_000;
/** Connections that have not been let in yet; above this the oldest of the address with the most of them goes. */
export const MAX_PENDING = 256;
/** Connections let in at the same time. */
export const MAX_SESSIONS = 64;
/** Of these with one token. */
export const MAX_SESSIONS_OF_ONE = 16;
/** The first wrong token of an address is answered after this (ms), each further one after twice as long, up to the second. */
export const WRONG_TOKEN_MS = 500;
export const LONGEST_WRONG_TOKEN_MS = 8_000;
/** Addresses whose wrong tokens are remembered. */
export const MAX_SUSPECTS = 1024;
/** Largest file of a certificate or key. */
export const MAX_CERTIFICATE_BYTES = 256 << 10;
/** Most clients that a server knows. */
export const MAX_CLIENTS = 1000;
/** Longest text of an invitation, or of a file that holds one. */
export const MAX_INVITATION_BYTES = 1024;
/** Most memory that the steps of one commit may take, about. */
export const MAX_COMMIT_BYTES = 1024 ** 3;
/** Problems of one commit that a server's log names. */
export const MAX_NAMED_PROBLEMS = 100;
/** What a buffer on its way counts besides its bytes, so that many tiny ones fill a window too. */
export const BUFFER_BYTES = 256;
/** Most chunks of one file: 1 TiB in the coarsest class. */
export const MAX_CHUNKS = 1 << 22;
/** Answers are sent once they are so long, so that many small requests do not gather large ones. */
export const ANSWER_BYTES = 1 << 20;
/** Most names of users and groups that a client may tell. */
export const MAX_ACCOUNTS = 1 << 16;
/** Most entries of one directory that a client believes a server. */
export const MAX_LISTED = 1 << 22;
