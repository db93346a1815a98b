// The tables of the index, which both sides keep. It is a cache: deleting it costs time, never data.

/** Schema number in `PRAGMA user_version`; an index of another schema is thrown away and made anew. */
export const SCHEMA = 4;

/** Row number of the root. */
export const ROOT_ID = 1;

/** Makes the tables. Times are ns since the epoch, sizes bytes, digests 32 raw bytes. */
export const CREATE = `
  CREATE TABLE entry (
    id      INTEGER PRIMARY KEY, -- 1 is the root; never used again within one session
    parent  INTEGER NOT NULL,    -- id of the directory; 0 for the root, -1 for an entry parked in a slot, -2 for one kept in the history
    name    ANY NOT NULL,        -- text, or a blob where the name is not UTF-8; in a slot its number, in the history its place
    kind    INTEGER NOT NULL,    -- 0 directory, 1 file, 2 symbolic link
    mode    INTEGER NOT NULL,    -- permission bits
    mtime   INTEGER NOT NULL,    -- modification time that the mirror has, or is to have
    uid     INTEGER NOT NULL,    -- owner, as the source numbers its users
    gid     INTEGER NOT NULL,    -- group, as the source numbers its groups
    link    INTEGER NOT NULL,    -- number that the names of one file have in common; 0 where there is but one
    xattrs  BLOB,                -- digest of the extended attributes, NULL = none
    size    INTEGER NOT NULL,    -- of a file
    average INTEGER NOT NULL,    -- class of a file's recipe
    content BLOB,                -- file: its content id; symlink: its target; directory: its Merkle hash, NULL = not known now
    recipe  BLOB,                -- file: its chunks (core/recipe.ts); NULL = not known
    print   BLOB,                -- directory: print of a survey (core/fs.ts) by which all in it was as its rows say; NULL = none
    ino     INTEGER NOT NULL,    -- what lstat said when this row was true on this machine's disk: the inode number, 0 = not seen
    seen_mtime INTEGER NOT NULL, --   the modification time
    seen_ctime INTEGER NOT NULL, --   the status-change time, 0 where the file system layer cannot read it
    seen_mode  INTEGER NOT NULL, --   the permission bits, which a mirror may not be able to make what they are to be
    seen_uid   INTEGER NOT NULL, --   the owner, likewise
    seen_gid   INTEGER NOT NULL, --   the group
    racy    INTEGER NOT NULL     -- 1: seen so soon after its last change that one more could hide; look again
  ) STRICT;
  CREATE UNIQUE INDEX entry_place ON entry (parent, name);
  CREATE INDEX entry_ino ON entry (ino) WHERE ino != 0;
  CREATE INDEX entry_link ON entry (link) WHERE link != 0;
  CREATE INDEX entry_racy ON entry (racy) WHERE racy = 1;
  -- Chunks of files in the mirror, so that content which is there already need not travel. Where in the file one lies, its
  -- recipe tells: an insertion moves all that is behind it.
  CREATE TABLE chunk (
    digest  BLOB NOT NULL,       -- the first 16 bytes of the chunk's digest
    entry   INTEGER NOT NULL,    -- the file that holds it
    PRIMARY KEY (digest, entry)
  ) STRICT, WITHOUT ROWID;
  -- Extended attributes (core/xattrs.ts) by their digest.
  CREATE TABLE xattrs (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID;
  -- Facts about this index: which mirror it is of.
  CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;
