/** Other tabs of the browser get the choice by a change of this value. */
const storageKey = "wharf:organization";

/**
 * Acts in another organization from now on, in this browser. A cookie says so with every request,
 * also with links, downloads and WebSockets. The pages begin again at the board.
 */
export function chooseOrganization(id: string): void {
  const { port, protocol } = window.location;
  // As with the cookie of the login, servers on other ports of this machine have their own.
  const name = `wharf_organization${port === "" ? "" : `_${port}`}`;
  const maxAgeSeconds = 400 * 86_400;
  document.cookie = `${name}=${encodeURIComponent(id)}; Path=/; SameSite=Lax; Max-Age=${maxAgeSeconds}${protocol === "https:" ? "; Secure" : ""}`;
  try {
    localStorage.setItem(storageKey, id);
  } catch {
    // Without storage other tabs see it when they are loaded again.
  }
  window.location.assign("/");
}

/** Pages of another organization would show what their next request no longer finds. */
export function followOrganization(): () => void {
  const onStorage = ({ key, newValue, oldValue }: StorageEvent) => {
    if (key === storageKey && newValue !== oldValue) window.location.assign("/");
  };
  window.addEventListener("storage", onStorage);
  return () => window.removeEventListener("storage", onStorage);
}
