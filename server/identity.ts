// What a server proves to its clients who it is with: a key and a certificate that it makes for itself at first, known by the
// certificate's fingerprint; or an own one, known through an authority.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { digestOf } from "../core/recipe.ts";
import { FatalError, reasonOf } from "../core/errors.ts";
import { encode256, type Trust } from "../core/invitation.ts";
import { MAX_CERTIFICATE_BYTES } from "../core/limits.ts";
import { readSmallFile, writePrivately } from "../core/private_files.ts";
import { randomBytes } from "../core/random.ts";
import { SERVER_NAME } from "../core/upgrade.ts";

/** A key and a certificate, in PEM, and how clients know them. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
  readonly trust: Trust;
}

/** How long a certificate of our own is valid (ms): the fingerprint is what counts, and it must not stop some night. */
const VALID_MS = 30 * 365 * 86_400_000;
/** It is valid from so long ago on (ms), for clients whose clock is behind. */
const BEFORE_MS = 365 * 86_400_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** The server's own identity, in its private folder; made if there is none. @throws {FatalError} If it cannot be read. */
export async function ownIdentity(folder: string, now: number): Promise<Identity> {
  const file = `${folder}/identity.pem`;
  let text = readSmallFile(file, MAX_CERTIFICATE_BYTES);
  if (text === undefined) writePrivately(file, text = await makeIdentity(now));
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text)?.[0];
  const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text)?.[0];
  if (!key || !cert) {
    throw new FatalError(`Cannot use "${file}": it is damaged; restore it, or remove it and invite clients anew`);
  }
  return { key, cert, trust: { kind: "pin", fingerprint: fingerprintOf(cert) } };
}

/** The identity in files of the user's. @throws {FatalError} If they cannot be read. */
export function givenIdentity(files: { readonly cert: string; readonly key: string }): Identity {
  const read = (option: string, file: string) => {
    let problem = "it does not exist";
    try {
      const text = readSmallFile(file, MAX_CERTIFICATE_BYTES);
      if (text?.includes("-----BEGIN ")) return text;
      if (text !== undefined) problem = "it is not in PEM";
    } catch (error) {
      problem = reasonOf(error);
    }
    throw new FatalError(`Cannot use ${option} "${file}": ${problem}`);
  };
  const cert = read("--cert", files.cert), key = read("--key", files.key);
  let problem = "they do not belong together";
  try {
    // The runtime would find out with the first client only.
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key, trust: { kind: "ca" } };
  } catch (error) {
    problem = (error as Error).message;
  }
  throw new FatalError(`Cannot use the certificate "${files.cert}" with the key "${files.key}": ${problem}`);
}

/** The SHA-256 of the first certificate in a PEM text, in base64url. */
function fingerprintOf(pem: string): string {
  return encode256(Uint8Array.fromHex(digestOf(new X509Certificate(pem).raw)));
}

/** A key and a certificate of its own for it, in PEM. */
async function makeIdentity(now: number): Promise<string> {
  // Needed once in a server's life, and slow to load.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // Below 2^159 and not 0, as RFC 5280 wants it.
    serialNumber: `01${randomBytes(15).toHex()}`,
    name: "CN=dirsync",
    notBefore: new Date(now - BEFORE_MS),
    notAfter: new Date(now + VALID_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // One that says CA:TRUE is refused as the server's own (CaUsedAsEndEntity).
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: SERVER_NAME }]),
    ],
  });
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n${certificate.toString("pem")}\n`;
}
