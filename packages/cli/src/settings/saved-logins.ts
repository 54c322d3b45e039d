import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { createConfigError, getConfigPath, requirePrivate } from "./config-file.ts";
import type { Environment } from "./environment.ts";

/** A login at a server, as `wharf login` saved it. */
const SavedLogin = z.object({
  access_token: z.string(),
  /** When the access token expires, in milliseconds since 1970. */
  expires_at: z.number(),
  refresh_token: z.string(),
  session_id: z.string(),
  username: z.string(),
});
export type SavedLogin = z.infer<typeof SavedLogin>;

const Content = z.object({ logins: z.record(z.string(), SavedLogin).default({}) });

/**
 * The user's logins, by the origin of the server, in a file beside the settings file that only the
 * user can read.
 */
export class SavedLogins {
  readonly path: string;

  constructor(environment: Environment) {
    this.path = join(dirname(getConfigPath(environment).path), "logins.json");
  }

  find(url: string): SavedLogin | undefined {
    const { logins } = this.#read();
    const { origin } = new URL(url);
    return Object.hasOwn(logins, origin) ? logins[origin] : undefined;
  }

  save(url: string, login: SavedLogin): void {
    const { logins } = this.#read();
    this.#write({ ...logins, [new URL(url).origin]: login });
  }

  remove(url: string): void {
    const { logins } = this.#read();
    const { origin } = new URL(url);
    if (Object.hasOwn(logins, origin))
      this.#write(Object.fromEntries(Object.entries(logins).filter(([name]) => name !== origin)));
  }

  #read(): z.infer<typeof Content> {
    let text: string;
    try {
      text = readFileSync(this.path, "utf8");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENOENT" || code === "ENOTDIR") return { logins: {} };
      throw createConfigError(this.path, `it cannot be read (${String(code)})`, error);
    }
    requirePrivate(this.path);
    const content = Content.safeParse(parseJson(text));
    if (content.success) return content.data;
    throw createConfigError(this.path, "it is damaged; remove it and log in again");
  }

  /** The file appears whole, so that commands at the same time never read a part of it. */
  #write(logins: Readonly<Record<string, SavedLogin>>): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const fresh = `${this.path}.${randomUUID()}`;
    try {
      writeFileSync(fresh, `${JSON.stringify({ logins }, null, 2)}\n`, { mode: 0o600, flag: "wx" });
      renameSync(fresh, this.path);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
