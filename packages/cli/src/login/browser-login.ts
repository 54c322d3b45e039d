import { setTimeout } from "node:timers/promises";
import { api, type LoginTokens, RemoteError } from "@wharf/contract";
import type { Cli } from "../cli.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Client } from "../server/client.ts";

/** Shows a link and a code, and waits until a person has confirmed the login in a browser. */
export async function logInWithBrowser(
  terminal: Cli["terminal"],
  { client, url }: { readonly client: Client; readonly url: string },
): Promise<LoginTokens> {
  const { device_code, user_code, path, interval } = await client.call(api.beginDeviceLogin, {});
  terminal.err(`Open this link in a browser and log in there:\n\n  ${toSingleLine(url + path, 600)}\n\n`);
  terminal.err(`Confirm it only if the page shows this code: ${toSingleLine(user_code, 20)}\n`);
  for (;;) {
    await setTimeout(interval * 1000);
    try {
      return await client.call(api.finishDeviceLogin, { body: { device_code } });
    } catch (error) {
      if (!(error instanceof RemoteError) || error.code !== "device_login_pending") throw error;
    }
  }
}
