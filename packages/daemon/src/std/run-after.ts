/** Runs an action after a time, unless the timer is disposed of before. */
export function runAfter(ms: number, action: () => void): Disposable {
  const timer = setTimeout(action, ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
