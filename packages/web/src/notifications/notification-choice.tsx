import { Problem, useAction } from "../actions/index.ts";
import { type NotificationState, setNotifications, useNotificationState } from "./choice-store.ts";

const texts: Readonly<Record<NotificationState, string>> = {
  unsupported: "This browser shows notifications only for pages with an encrypted address, or not at all.",
  refused: "The browser refuses them for this site. Allow them in its settings for the site.",
  off: "Off in this browser.",
  on: "On in this browser, while a page of Wharf is open in a hidden tab or window.",
};

/** Turns on what the browser shows when a task needs the person. */
export function NotificationChoice() {
  const state = useNotificationState();
  const { run, isPending, error } = useAction(() => setNotifications(state === "off"));
  return (
    <>
      <p>{texts[state]}</p>
      {(state === "on" || state === "off") && (
        <button type="button" onClick={run} aria-disabled={isPending}>
          {state === "on" ? "Turn off" : "Turn on"}
        </button>
      )}
      <Problem error={error} />
    </>
  );
}
