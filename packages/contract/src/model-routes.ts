/** The model routes there are. Each has a key and an address among the server's settings. */
export const modelRoutes: readonly string[] = ["gemini", "anthropic", "openai"];

/** The setting that holds a route's key. */
export const getKeySetting = (route: string): string => `${route.toUpperCase()}_API_KEY`;

/** The setting that holds the address of a route's server. */
export const getAddressSetting = (route: string): string => `${route.toUpperCase()}_BASE_URL`;
