import axe from "axe-core";
import type { Page } from "playwright-core";

/** The rules of WCAG 2.2 up to AA. */
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Runs axe in a page and returns a line for each element that breaks a rule. */
export async function findAxeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const runOptions = JSON.stringify({ runOnly: tags, resultTypes: ["violations"] });
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(document, ${runOptions})`);
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 300)}`));
}
