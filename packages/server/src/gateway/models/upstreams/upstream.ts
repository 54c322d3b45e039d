import { getHash } from "../../../std/hash.ts";
import type { ModelUpstream } from "../../context.ts";
import { type OnSecret, Secret, type SecretPlace } from "../../secrets/index.ts";
import { describeKey, type KeyDescription } from "../describe-key.ts";
import { createKeyError } from "../key-error.ts";

/** A model's server as the gateway uses it. */
export class Upstream {
  /** The same after a restart, and after other upstreams were added or moved in the file. */
  readonly id: string;
  readonly baseUrl: string;
  /** Names the server without its path. */
  readonly origin: string;
  readonly setting: string;
  readonly weight: number;
  readonly organizations: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly keyDescription: KeyDescription;
  readonly key: Secret;

  constructor(
    { baseUrl, setting, weight, organizations, timeoutMs, key }: ModelUpstream,
    route: string,
    onKey?: OnSecret,
  ) {
    this.id = getHash(JSON.stringify([baseUrl, ...getKeyPlace(key)]));
    this.baseUrl = baseUrl;
    this.origin = new URL(baseUrl).origin;
    this.setting = setting;
    this.weight = weight;
    this.organizations = organizations;
    this.timeoutMs = timeoutMs;
    this.keyDescription = describeKey(key);
    this.key = new Secret(key, {
      name: this.keyDescription.name,
      createError: (error) => createKeyError(route, error),
      onValue: onKey,
    });
  }

  /**
   * Returns the address of a call. A version at the end of the base URL, as the SDKs of the OpenAI
   * API expect it, replaces the version of the request.
   */
  getUrl(path: string, query: string): URL {
    const folder = new URL(this.baseUrl).pathname.replace(/\/+$/, "");
    const ownPath = /\/v\d+(?:(?:alpha|beta)\d*)?$/.test(folder)
      ? path.replace(/^\/v\d+(?:(?:alpha|beta)\d*)?\//, "/")
      : path;
    return new URL(`${this.origin}${folder}${ownPath}${query === "" ? "" : `?${query}`}`);
  }
}

function getKeyPlace(key: SecretPlace): readonly string[] {
  if (key.kind === "environment") return [key.kind, key.name];
  return key.kind === "file" ? [key.kind, key.path] : [key.kind, key.program, ...key.args];
}
