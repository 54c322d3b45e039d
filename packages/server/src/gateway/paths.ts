/**
 * Whether a path would leave the base URL that it is added to: in any encoding of its dots, also
 * one that two servers in a row decode, and with the parameters that some servers cut off.
 */
export const isClimbingPath = (path: string): boolean =>
  /(?:^|[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){1,2}(?:$|[/\\;]|%(?:25)*(?:2f|5c|3b))/i.test(path) ||
  path.includes("\\");
