import { useSyncExternalStore } from "react";

const storageKey = "wharf:notifications";
const listeners = new Set<() => void>();

/** Whether this browser can show notifications of a page, and whether the person wants them. */
export type NotificationState = "unsupported" | "refused" | "off" | "on";

function getState(): NotificationState {
  if (!("Notification" in window) || !window.isSecureContext) return "unsupported";
  if (Notification.permission === "denied") return "refused";
  return Notification.permission === "granted" && isWanted() ? "on" : "off";
}

function isWanted(): boolean {
  try {
    return localStorage.getItem(storageKey) === "on";
  } catch {
    return false; // a browser may refuse storage
  }
}

/** Asks the browser for its permission, if they are turned on for the first time. */
export async function setNotifications(isOn: boolean): Promise<void> {
  if (isOn && Notification.permission === "default") await Notification.requestPermission();
  localStorage.setItem(storageKey, isOn ? "on" : "off");
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener); // other tabs
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

export const useNotificationState = (): NotificationState => useSyncExternalStore(subscribe, getState);
