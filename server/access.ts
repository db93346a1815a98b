// What protects a server: by its options nothing (this machine alone, or a network that is trusted), a token, or TLS and a token.
// Key and tokens are in a private folder beside the state of clients, never in the mirror, where a client could write to them.

import { DEFAULT_PORT, isLoopback } from "../core/address.ts";
import { FatalError, reasonOf } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import { formatInvitation } from "../core/invitation.ts";
import type { DoorOptions, InviteOptions, ServerOptions } from "../core/options.ts";
import { makePrivateFolder } from "../core/private_files.ts";
import { randomBytes } from "../core/random.ts";
import { requireTls } from "../core/tls.ts";
import { mirrorFolder, openState } from "../core/state.ts";
import { Clients, type NewClient, type Whereabouts } from "./clients.ts";
import { givenIdentity, type Identity, ownIdentity } from "./identity.ts";

/** What protects a server. */
export interface Access {
  /** With TLS. */
  readonly identity?: Identity;
  /** Where tokens are asked for. */
  readonly clients?: Clients;
}

const DAY_MS = 86_400_000;

/**
 * Makes ready what the options ask for. Off the loopback that is TLS and tokens unless it is said to be insecure.
 * @param dir The mirror's real path.
 * @throws {FatalError} If it cannot: nothing weaker is used instead.
 */
export async function openAccess(options: ServerOptions, dir: string, now: number): Promise<Access> {
  const { certificate, insecure, token } = options;
  const tls = certificate !== undefined || !isLoopback(options.host) && !insecure;
  if (!tls && !token) return {};
  if (tls) requireTls();
  const folder = privateFolder(options.state, dir);
  const identity = certificate ? givenIdentity(certificate) : tls ? await ownIdentity(folder, now) : undefined;
  return { ...(identity && { identity }), clients: new Clients(folder) };
}

/** Notes where the server listens, and if nobody is invited yet, invites somebody. */
export function tellWay(
  { clients, identity }: Access,
  options: ServerOptions,
  port: number,
  emit: Emit,
  now: number,
): void {
  if (!clients) return;
  const { host, output } = options;
  const isAnywhere = host === "0.0.0.0" || host === "::";
  const at: Whereabouts = {
    address: {
      host: options.address?.host ?? (isAnywhere ? Deno.hostname().toLowerCase() : host),
      port: options.address?.port || port,
    },
    trust: identity?.trust ?? { kind: "plain" },
  };
  clients.whereabouts = at;
  const isToBeSeen = output.json || !output.quiet;
  if (isToBeSeen && clients.all().length === 0) invite(clients, { access: "full" }, at, emit, now);
}

/** `dirsync invite`. @throws {FatalError} */
export async function runInvite(options: InviteOptions, emit: Emit, now: number): Promise<number> {
  const { folder, clients } = openClients(options);
  using _ = clients;
  const known = clients.whereabouts;
  const said = options.address;
  const address = said ? { host: said.host, port: said.port || (known?.address.port ?? DEFAULT_PORT) } : known?.address;
  if (!address) {
    throw new FatalError(
      "Cannot tell where the server is: start it once, or name where clients find it with --address",
    );
  }
  const trust = known?.trust ?? (await ownIdentity(folder, now)).trust;
  if (trust.kind === "plain" && !isLoopback(address.host)) {
    throw new FatalError("Cannot invite from afar: the server listens without TLS; start it with another --interface");
  }
  const { name, access, quotaBytes, expiresDays } = options;
  const client: NewClient = {
    access,
    ...(name !== undefined && { name }),
    ...(quotaBytes !== undefined && { quotaBytes }),
    ...(expiresDays !== undefined && { expires: Math.round(now + expiresDays * DAY_MS) }),
  };
  try {
    invite(clients, client, { address, trust }, emit, now);
  } catch (error) {
    throw new FatalError(`Cannot invite: ${reasonOf(error)}`, { cause: error });
  }
  return 0;
}

/** `dirsync clients`. @throws {FatalError} */
export function runClients(options: DoorOptions, emit: Emit): number {
  using clients = openClients(options).clients;
  for (const { id: _, ...client } of clients.all()) emit({ event: "client", ...client });
  return 0;
}

/** `dirsync revoke`. @throws {FatalError} */
export function runRevoke(options: DoorOptions & { readonly name: string }, emit: Emit): number {
  using clients = openClients(options).clients;
  if (!clients.remove(options.name)) {
    throw new FatalError(`Cannot revoke "${options.name}": there is no such client; dirsync clients lists them`);
  }
  emit({ event: "revoked", name: options.name });
  return 0;
}

function invite(clients: Clients, client: NewClient, { address, trust }: Whereabouts, emit: Emit, now: number): void {
  const { name, token } = clients.add(client, randomBytes(32), now);
  emit({ event: "invitation", ...client, name, invitation: formatInvitation({ ...address, token, trust }) });
}

function openClients({ dir, state }: DoorOptions): { folder: string; clients: Clients } {
  let real: string;
  try {
    real = Deno.realPathSync(dir);
  } catch (error) {
    throw new FatalError(`Cannot find the mirror "${dir}": ${reasonOf(error)}`);
  }
  const folder = privateFolder(state, real);
  return { folder, clients: new Clients(folder) };
}

function privateFolder(state: string | undefined, dir: string): string {
  try {
    const top = openState(state);
    const inside = `${top}/`.replaceAll("\\", "/").startsWith(`${dir}/`.replaceAll("\\", "/").replace(/\/+$/, "/"));
    if (inside) throw new Error("it would be inside of the mirror; name another folder with --state DIR");
    return makePrivateFolder(mirrorFolder(top, dir));
  } catch (error) {
    throw new FatalError(`Cannot keep state: ${reasonOf(error)}`, { cause: error });
  }
}
