import { type ComponentType, lazy } from "react";

/** The first drawing of the page comes before this. */
const delayMs = 1_000;

/**
 * Returns a component whose code is loaded after the page is shown, and not only when it is needed:
 * without a connection a menu has to open too.
 */
export function createPreloaded<Props>(load: () => Promise<ComponentType<Props>>) {
  const loading = () => load().then((component) => ({ default: component }));
  window.setTimeout(() => void loading().catch(() => undefined), delayMs);
  return lazy<ComponentType<Props>>(loading);
}
