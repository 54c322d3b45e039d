import { Wharf } from "@wharf/client";

/**
 * The browser adds the cookie of the login. A page shows failures at once, so little is repeated.
 */
export const wharf = new Wharf({ url: window.location.origin, maxRetries: 1 });
