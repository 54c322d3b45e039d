import { readFileSync } from "node:fs";
import { toOneLine } from "@wharf/contract";
import { getErrorMessage } from "../../std/errors.ts";
import { PriceFile } from "./price-list.ts";

const maxMessageBytes = 300;

/** Reads a person's price file; throws an error that names the file and the place in it. */
export function readPriceFile(path: string): PriceFile {
  const content = parseFile(path, readFileSync(path, "utf8"));
  const isVersioned = typeof content === "object" && content !== null && "versions" in content;
  const parsed = PriceFile.options[isVersioned ? 0 : 1].safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const place = issue?.path.join(".") || "the whole file";
  throw new Error(`${path}: ${place}: ${issue?.message ?? "not a list of prices"}`);
}

function parseFile(path: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The message quotes the place.
    throw new Error(`${path}: ${toOneLine(getErrorMessage(error), maxMessageBytes)}`, { cause: error });
  }
}
