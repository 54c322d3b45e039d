/** Converts a route's path to an OpenAPI template: `:task_id` becomes `{task_id}`. */
export const toTemplate = (path: string): string => path.replace(/:([a-z_]+)/g, "{$1}");
