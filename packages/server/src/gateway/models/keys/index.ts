/** Keys of models' servers, which may change while the server runs. */
import { KeyCommand } from "./key-command.ts";
import { KeyFile } from "./key-file.ts";
import type { KeyConfig, KeySource } from "./key-source.ts";

export { describeKey, type KeyDescription } from "./describe-key.ts";
export type { KeyConfig, KeySource } from "./key-source.ts";

export function createKeySource(config: KeyConfig, route: string): KeySource {
  if (config.kind === "file") return new KeyFile(config, route);
  if (config.kind === "command") return new KeyCommand(config, route);
  return { get: async () => config.value, renew: async () => undefined };
}
