import { it } from "vitest";
import { type Engine, engines } from "../../scripts/engines/engines.ts";

/**
 * Tests that need an engine: `withEngine("gemini").it(…)`. Where it is missing they are skipped and named at the end, and
 * where all engines are required (`CI`) they run, and fail.
 */
export function withEngine(name: keyof typeof engines): { it: typeof it } {
  const engine: Engine = engines[name];
  const required = Boolean(process.env["CI"]);
  return { it: required || engine.present() ? it : (it.skip as unknown as typeof it) };
}
