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
export const MAX_PACK_BYTES = 3 << 20;
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
/** Bytes of a piece's fingerprint. */
export const PRINT_BYTES = 8;
/** Longest text (names of hosts, reasons) in a message. */
export const MAX_TEXT_BYTES = 4096;
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
