import { readFileSync, statSync } from "node:fs";
import { WharfError } from "@wharf/contract";

const maxFileBytes = 1024 * 1024;

/** Creates the error for a file that cannot be used. */
type CreateError = (reason: string, cause?: unknown) => WharfError;

/** Reads a JSON file of the operator's. Its errors quote nothing of the file. */
export function readJsonFile(path: string, createError: CreateError): unknown {
  let text: string;
  try {
    if (statSync(path).size > maxFileBytes) throw createError("it has more than 1 MB");
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof WharfError) throw error;
    throw createError("the file cannot be read", error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the file.
    const place = /\(line \d+ column \d+\)/.exec(error instanceof Error ? error.message : "")?.[0] ?? "";
    throw createError(`it is not valid JSON ${place}`.trimEnd());
  }
}
