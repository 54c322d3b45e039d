import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { addressFile, tokenFile } from "@wharf/contract/data-folder";
import { z } from "zod";
import type { LocateServer } from "../../packages/cli/src/server/server-address.ts";

const ServerFile = z.object({ url: z.url() });

/**
 * Finds the network address of a data folder's server, for tests that connect to it as other
 * programs do.
 */
export const createAddressLocator =
  (data: string): LocateServer =>
  async () => {
    try {
      const { url } = ServerFile.parse(JSON.parse(await readFile(join(data, addressFile), "utf8")));
      return { url, token: (await readFile(join(data, tokenFile), "utf8")).trim() };
    } catch (error) {
      throw new WharfError("server_unreachable", { url: data, reason: "it has no address" }, { cause: error });
    }
  };
