import { errorCatalogue, Problem } from "@wharf/contract";
import { z } from "zod";
import type { Answer } from "../api-walk/answer-check.ts";

/** What an answer shows only if a failure inside the server reached it. */
const insides = [
  /\bat \S+ \(?\S+:\d+:\d+\)?/,
  /node_modules|node:internal|file:\/\//,
  /syntax error at or near|violates \S+ constraint|relation "|column "|Failed query|pg_catalog/,
  /\b(?:select .+ from|insert into|update \w+ set|delete from) /i,
];

/** Returns what is wrong with a refusal of a request that had this text. */
export function findRefusalFault({ status, type, text }: Answer, sentText = ""): string | undefined {
  if (status < 400 || status >= 500) return `status ${status}`;
  if (!type.startsWith("application/problem+json")) return `the type ${type}`;
  const problem = Problem.safeParse(parseJson(text));
  if (!problem.success) return "the answer is no problem";
  const { code, detail, next } = problem.data;
  if (!Object.hasOwn(errorCatalogue, code)) return `the catalogue has no ${code}`;
  const ownWords = [detail, next, JSON.stringify(problem.data.context ?? {})].map((words) =>
    sentText === "" ? words : words.replaceAll(sentText, "").replaceAll(JSON.stringify(sentText).slice(1, -1), ""),
  );
  const shown = insides.find((pattern) => ownWords.some((words) => pattern.test(words)));
  return shown && `the text shows the inside of the server (${shown.source})`;
}

/** Returns the fields of a resource, or none if the answer is something else. */
export const readFields = (text: string): Readonly<Record<string, unknown>> =>
  z.record(z.string(), z.unknown()).catch({}).parse(parseJson(text));

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
