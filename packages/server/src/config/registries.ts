import { WharfError } from "@wharf/contract";
import { type RegistryEntry, RegistryFile } from "../gateway/index.ts";
import { readJsonFile } from "./read-json-file.ts";

/** Reads the file of `WHARF_REGISTRIES`; an error names the file and the place in it. */
export function readRegistries(path: string | undefined): readonly RegistryEntry[] {
  if (!path) return [];
  const refuse = (reason: string, cause?: unknown) =>
    new WharfError("config_invalid", { name: "WHARF_REGISTRIES", reason: `${path}: ${reason}` }, { cause });
  const parsed = RegistryFile.safeParse(readJsonFile(path, refuse));
  if (parsed.success) return parsed.data.registries;
  const [issue] = parsed.error.issues;
  throw refuse(`${issue?.path.join(".") || "the whole file"}: ${issue?.message ?? "it is no list of registries"}`);
}
