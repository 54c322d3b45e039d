import { ShortId } from "@wharf/contract";
import { type Command, Option } from "commander";
import { z } from "zod";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";

/**
 * Creates an option that takes one of a few words. Its schema checks the value, so that all errors
 * have the same form.
 */
export const createChoiceOption = (flags: string, description: string, choices: readonly string[]): Option =>
  new Option(flags, description).choices(choices).argParser((text) => text);

interface NumberRange {
  readonly min: number;
  readonly max?: number;
}

const decimal = /^-?\d+(?:\.\d+)?$/;

const createNumberSchema = ({ min, max = Number.MAX_SAFE_INTEGER }: NumberRange, kind: RegExp, noun: string) =>
  z.string().transform((text, context) => {
    const value = kind.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `, ${min} or more` : ` from ${min} to ${max}`;
    context.addIssue({ code: "custom", message: `${noun}${range}` });
    return z.NEVER;
  });

/** Parses the value of an option that takes a number. */
export const createDecimalSchema = (range: NumberRange) => createNumberSchema(range, decimal, "a number");
export const createIntegerSchema = (range: NumberRange) => createNumberSchema(range, /^-?\d+$/, "a whole number");

/** Parses the values of a repeatable option that takes pairs, such as `--env NAME=VALUE`. */
export const createPairsSchema = (form: string) =>
  z
    .array(z.string().regex(/^[^=]+=/, form))
    .default([])
    .transform((all): Record<string, string> => Object.fromEntries(all.map(parsePair)));
export const variables = createPairsSchema("NAME=VALUE");

function parsePair(text: string): [string, string] {
  const end = text.indexOf("=");
  return [text.slice(0, end), text.slice(end + 1)];
}

/** Creates an option that may be repeated. Its value is the list of all values. */
export function createListOption(
  flags: string,
  description: string,
  { choices }: { readonly choices?: readonly string[] } = {},
): Option {
  const option = new Option(flags, `${description} (repeatable)`);
  return (choices ? option.choices(choices) : option).argParser((value, values: readonly string[] | undefined) => [
    ...(values ?? []),
    value,
  ]);
}

/**
 * Parses a command's options; the error for an invalid value names the option and its accepted
 * form.
 */
export function parseOptions<S extends z.ZodType>(command: Command, schema: S): z.output<S> {
  const values: Record<string, unknown> = command.opts();
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  throw createUsageError(parsed.error.issues.map((issue) => getIssueMessage(command, values, issue)).join("; "));
}

function getIssueMessage(command: Command, values: Record<string, unknown>, issue: z.core.$ZodIssue): string {
  const [key, ...rest] = issue.path;
  const option = command.options.find((one) => one.attributeName() === key);
  if (!option) return issue.message;
  let value = values[option.attributeName()];
  for (const step of rest) value = Array.isArray(value) ? value[Number(step)] : value;
  return formatExpectation(option.long ?? option.flags, formatAcceptedForm(issue), String(value));
}

const formatExpectation = (name: string, form: string, value: string): string =>
  `${name}: expected ${form}, got '${toSingleLine(value, 60)}'`;

/** Describes the accepted form. Schemas with their own rules describe it in their message. */
function formatAcceptedForm(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return `one of ${issue.values.map(String).join(", ")}`;
    case "invalid_format":
      return issue.format === "uuid" ? "a full id (a UUID)" : issue.message;
    case "too_small":
      return `at least ${issue.minimum} character${issue.minimum === 1 ? "" : "s"}`;
    case "too_big":
      return `at most ${issue.maximum} characters`;
    default:
      return issue.message;
  }
}

const idArguments: ReadonlySet<string> = new Set(["task", "run", "runner", "runners", "workspace"]);

/** Checks the arguments that are ids, which reach the server as parts of an address. */
export function checkArguments(command: Command): void {
  for (const [i, argument] of command.registeredArguments.entries()) {
    if (!idArguments.has(argument.name())) continue;
    for (const word of argument.variadic ? command.args.slice(i) : command.args.slice(i, i + 1)) {
      if (!ShortId.safeParse(word).success)
        throw createUsageError(
          formatExpectation(`<${argument.name()}>`, "an id, or its first 8 or more characters", word),
        );
    }
  }
}
