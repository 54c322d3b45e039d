import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { PasskeyParty } from "./passkey-place.ts";
import type { PasskeyRow } from "./passkeys.ts";

/** Loads the library at the first use: most people of a server may have no passkeys. */
const loadLibrary = () => import("@simplewebauthn/server");

const maxEncodedLength = 12_000;
const Encoded = z
  .string()
  .min(1)
  .max(maxEncodedLength)
  .regex(/^[\w-]+$/);
const credential = { id: Encoded.max(1_500), rawId: Encoded.max(1_500), type: z.literal("public-key") };

/** What a browser sends after its device has made a passkey. */
export const CreatedPasskey = z.object({
  ...credential,
  response: z.object({ clientDataJSON: Encoded, attestationObject: Encoded }),
});
export type CreatedPasskey = z.infer<typeof CreatedPasskey>;

/** What a browser sends after its device has used a passkey. */
export const UsedPasskey = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: Encoded,
    authenticatorData: Encoded,
    signature: Encoded,
    userHandle: Encoded,
  }),
});
export type UsedPasskey = z.infer<typeof UsedPasskey>;

/** What an answer has to match. */
export const PasskeyChallenge = z.object({ challenge: z.string(), party: PasskeyParty });
export type PasskeyChallenge = z.infer<typeof PasskeyChallenge>;

/** How long a browser waits for the person. */
const timeoutMs = 5 * 60_000;
/** The person proves their presence to the device with a finger, a face or a PIN. */
const userVerification = "required";
/** EdDSA, ES256 and RS256: each device has one of these. Others are experiments in Node.js. */
const supportedAlgorithmIDs = [-8, -7, -257];

export interface NewPasskeyOwner {
  readonly id: string;
  readonly username: string;
  /** The passkeys that the device must not make again. */
  readonly passkeys: readonly PasskeyRow[];
}

/** Creates the options with which a browser makes a passkey that works without a typed name. */
export async function createNewOptions({ domain }: PasskeyParty, { id, username, passkeys }: NewPasskeyOwner) {
  const { generateRegistrationOptions } = await loadLibrary();
  return generateRegistrationOptions({
    rpName: "Wharf",
    rpID: domain,
    userID: toUserHandle(id),
    userName: username,
    userDisplayName: username,
    timeout: timeoutMs,
    attestationType: "none",
    supportedAlgorithmIDs,
    authenticatorSelection: { residentKey: "required", userVerification },
    excludeCredentials: passkeys.filter((row) => row.domain === domain).map((row) => ({ id: row.credential_id })),
  });
}

/** Creates the options with which a browser uses any of its passkeys for this server. */
export async function createUseOptions({ domain }: PasskeyParty) {
  const { generateAuthenticationOptions } = await loadLibrary();
  return generateAuthenticationOptions({ rpID: domain, timeout: timeoutMs, userVerification });
}

/** Returns the passkey that a device has made for the challenge. */
export async function verifyNew(created: CreatedPasskey, expected: PasskeyChallenge) {
  const { verifyRegistrationResponse } = await loadLibrary();
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response: { ...created, clientExtensionResults: {} },
    supportedAlgorithmIDs,
    ...toExpectation(expected),
  }).catch((error: unknown) => {
    throw createUnsuitableError(error);
  });
  if (!verified) throw createUnsuitableError();
  const { credential, credentialBackedUp } = registrationInfo;
  return {
    credential_id: credential.id,
    public_key: Buffer.from(credential.publicKey).toString("base64url"),
    counter: credential.counter,
    is_synced: credentialBackedUp,
  };
}

/** Returns the state of a passkey whose device has signed the challenge. */
export async function verifyUse(used: UsedPasskey, row: PasskeyRow, expected: PasskeyChallenge) {
  const { verifyAuthenticationResponse } = await loadLibrary();
  const { userHandle, ...response } = used.response;
  if (userHandle !== Buffer.from(toUserHandle(row.user_id)).toString("base64url"))
    throw new WharfError("passkey_refused", {});
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response: { ...used, response, clientExtensionResults: {} },
    // The statement that stores the count compares it, so that two logins at once cannot pass.
    credential: {
      id: row.credential_id,
      publicKey: new Uint8Array(Buffer.from(row.public_key, "base64url")),
      counter: 0,
    },
    ...toExpectation(expected),
  }).catch((error: unknown) => {
    throw new WharfError("passkey_refused", {}, { cause: error });
  });
  if (!verified) throw new WharfError("passkey_refused", {});
  return { counter: authenticationInfo.newCounter, is_synced: authenticationInfo.credentialBackedUp };
}

const toExpectation = ({ challenge, party: { domain, origin } }: PasskeyChallenge) => ({
  expectedChallenge: challenge,
  expectedOrigin: origin,
  expectedRPID: domain,
  requireUserVerification: true,
});

/** A device stores the id of the account with the passkey. */
const toUserHandle = (userId: string) => new Uint8Array(Buffer.from(userId.replaceAll("-", ""), "hex"));

const createUnsuitableError = (cause?: unknown) =>
  new WharfError("passkey_unsuitable", { reason: "the answer of the browser does not match this attempt" }, { cause });
