/** The model routes with a key and an address among the server's settings. */
export const modelRoutes: readonly string[] = ["gemini", "anthropic", "openai"];

/** Returns the name of the setting that holds a route's key. */
export const getKeySetting = (route: string): string => `${route.toUpperCase()}_API_KEY`;

/** Returns the name of the setting that holds the address of a route's server. */
export const getAddressSetting = (route: string): string => `${route.toUpperCase()}_BASE_URL`;
