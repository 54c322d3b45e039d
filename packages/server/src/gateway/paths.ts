/** Whether a path would leave the base URL that it is added to, in any encoding of its dots. */
export const isClimbingPath = (path: string): boolean =>
  /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\]|%2f|%5c)/i.test(path) || path.includes("\\");
