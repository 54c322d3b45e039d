import { resolve } from "node:path";
import { BudgetAmount, WharfError } from "@wharf/contract";
import { z } from "zod";
import type { ModelRoute } from "../gateway/index.ts";
import { getErrorMessage } from "../std/errors.ts";
import { PriceTable, readPriceFile, toMicroUsd } from "../usage/index.ts";
import { createRoute, readModelRoutes } from "./model-routes.ts";
import { parseTime } from "./setting-forms.ts";

/** The settings of the models that runs may use, and of what they may cost. */
export const modelEnvironment = {
  /** The key for Gemini. It never enters a runner. */
  GEMINI_API_KEY: z.string().min(1).optional(),
  /** The address of Gemini's API or of a compatible one. */
  GEMINI_BASE_URL: z.url().default("https://generativelanguage.googleapis.com"),
  /** The key for Anthropic. It never enters a runner. */
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  /** The address of Anthropic's API or of a compatible one. */
  ANTHROPIC_BASE_URL: z.url().default("https://api.anthropic.com"),
  /** The key for OpenAI. It never enters a runner. */
  OPENAI_API_KEY: z.string().min(1).optional(),
  /**
   * The address of OpenAI's API or of a compatible one. Each of the three addresses may end with a
   * version such as `/v1`.
   */
  OPENAI_BASE_URL: z.url().default("https://api.openai.com"),
  /**
   * A JSON file of model routes with several servers, weights, and keys from files or commands. Its
   * routes replace those of the settings above that have the same name.
   */
  WHARF_ROUTES: z.string().min(1).optional(),
  /**
   * How long a model may take to begin its response. After a minute without a byte the task's log
   * reports the delay.
   */
  WHARF_MODEL_TIMEOUT: z.string().default("10m").transform(parseTime),
  /**
   * A JSON file with prices of models, which Wharf uses before the published ones that it knows.
   * [Prices](prices.md) describes it.
   */
  WHARF_PRICES: z.string().min(1).optional(),
  /**
   * What the models of one task may cost, in US dollars, unless the task has its own budget.
   * [Usage](usage.md#budgets) describes budgets.
   */
  WHARF_TASK_BUDGET: z
    .string()
    .regex(/^\d+(\.\d+)?$/, "an amount such as 5 or 2.50")
    .transform(Number)
    .pipe(BudgetAmount)
    .optional(),
  /**
   * How many requests for answers and embeddings each run may send to models in a minute. Without
   * it, any number.
   */
  WHARF_RUN_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).max(1e9).optional(),
  /** How many tokens of models, input and output, each run may use in a minute. Without it, any. */
  WHARF_RUN_TOKENS_PER_MINUTE: z.coerce.number().int().min(1).max(1e9).optional(),
};

const Environment = z.object(modelEnvironment);

export interface ModelConfig {
  readonly modelRoutes: Readonly<Record<string, ModelRoute>>;
  readonly modelTimeoutMs: number;
  readonly prices: PriceTable;
  /** What a task without a budget may cost, in micro-USD. */
  readonly taskBudget: number | undefined;
  readonly runRates: {
    readonly requestsPerMinute: number | undefined;
    readonly tokensPerMinute: number | undefined;
  };
}

/** `environment` is the server's, which contains the keys that the file of routes names. */
export function toModelConfig(
  e: z.output<typeof Environment>,
  environment: Readonly<Record<string, string | undefined>>,
): ModelConfig {
  return {
    modelRoutes: {
      ...createRoute("gemini", { key: e.GEMINI_API_KEY, baseUrl: e.GEMINI_BASE_URL }),
      ...createRoute("anthropic", { key: e.ANTHROPIC_API_KEY, baseUrl: e.ANTHROPIC_BASE_URL }),
      ...createRoute("openai", { key: e.OPENAI_API_KEY, baseUrl: e.OPENAI_BASE_URL }),
      ...(e.WHARF_ROUTES && readModelRoutes({ path: resolve(e.WHARF_ROUTES), environment })),
    },
    modelTimeoutMs: e.WHARF_MODEL_TIMEOUT,
    prices: readPrices(e),
    taskBudget: e.WHARF_TASK_BUDGET === undefined ? undefined : toMicroUsd(e.WHARF_TASK_BUDGET),
    runRates: {
      requestsPerMinute: e.WHARF_RUN_REQUESTS_PER_MINUTE,
      tokensPerMinute: e.WHARF_RUN_TOKENS_PER_MINUTE,
    },
  };
}

function readPrices(e: z.output<typeof Environment>): PriceTable {
  if (!e.WHARF_PRICES) return new PriceTable();
  try {
    return new PriceTable(readPriceFile(e.WHARF_PRICES));
  } catch (cause) {
    throw new WharfError("config_invalid", { name: "WHARF_PRICES", reason: getErrorMessage(cause) }, { cause });
  }
}
