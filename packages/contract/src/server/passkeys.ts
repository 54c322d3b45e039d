import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";
import { userParams } from "./people.ts";

/** A key on a person's device with which the person logs in. */
export const Passkey = z.object({
  id: z.uuid(),
  name: z.string(),
  domain: z.string().describe("where the passkey works"),
  is_synced: z.boolean().describe("whether the device has stored it elsewhere too, such as with its manufacturer"),
  created_at: z.string(),
  used_at: z.string().optional().describe("absent if it was never used"),
});
export type Passkey = z.infer<typeof Passkey>;

const passkeyParams = z.object({ passkey_id: z.uuid() });
const memberErrors = ["account_shared", "account_is_service"] as const;

/** Passkeys of accounts. A browser adds them and logs in with them, on the pages of the server. */
export const passkeysApi = {
  listPasskeys: createEndpoint({
    needs: "account:read",
    method: "GET",
    path: "/api/v1/me/passkeys",
    summary: "List your passkeys, the oldest first",
    query: z.object({ ...createFieldsQuery(Passkey), ...rowsQuery }),
    items: "passkeys",
    response: z.object({ passkeys: z.array(Passkey), ...pageEnd }),
  }),
  removePasskey: createEndpoint({
    needs: "account:write",
    ifMatch: "unsupported",
    errors: ["passkey_not_found"],
    method: "DELETE",
    path: "/api/v1/me/passkeys/:passkey_id",
    summary: "Remove one of your passkeys",
    params: passkeyParams,
    status: 204,
    response: "none",
  }),
  listUserPasskeys: createEndpoint({
    needs: "organization:admin",
    errors: memberErrors,
    method: "GET",
    path: "/api/v1/users/:user/passkeys",
    summary: "List the passkeys of a member, the oldest first",
    params: userParams,
    query: z.object({ ...createFieldsQuery(Passkey), ...rowsQuery }),
    items: "passkeys",
    response: z.object({ passkeys: z.array(Passkey), ...pageEnd }),
  }),
  removeUserPasskey: createEndpoint({
    needs: "organization:admin",
    ifMatch: "unsupported",
    errors: ["passkey_not_found", ...memberErrors],
    method: "DELETE",
    path: "/api/v1/users/:user/passkeys/:passkey_id",
    summary: "Remove a passkey of a member, such as one on a lost device",
    params: userParams.extend(passkeyParams.shape),
    status: 204,
    response: "none",
  }),
} as const;
