import manifest from "../../../package.json" with { type: "json" };

/**
 * Wharf's version. The workspace's package.json is the only source; `npm run release` changes it
 * there.
 */
export const { version } = manifest;
