// Names of users and groups. Numbers mean other people on another machine, so owners travel with their names.

/** The users and groups that this machine knows. */
export interface Accounts {
  userName(uid: number): string | undefined;
  groupName(gid: number): string | undefined;
  userId(name: string): number | undefined;
  groupId(name: string): number | undefined;
}

/** Knows nobody: owners go by their numbers. */
export const noAccounts: Accounts = {
  userName: () => undefined,
  groupName: () => undefined,
  userId: () => undefined,
  groupId: () => undefined,
};
