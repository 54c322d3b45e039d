/**
 * The values that a scanner looks for: `value` reports a scalar, `text` counts the bytes of all
 * strings under a key. The key `*` stands for all other keys. The elements of an array have the
 * shape of the array.
 */
export interface Shape {
  readonly [key: string]: Shape | "value" | "text";
}

/** A shape in the form in which the scanner walks through it. */
export interface ShapeNode {
  /** The keys that lead to the value, separated by dots. */
  readonly path: string;
  readonly kind: "inner" | "value" | "text";
  readonly children: ReadonlyMap<string, ShapeNode>;
  readonly others: ShapeNode | undefined;
}

const textNode: ShapeNode = {
  path: "",
  kind: "text",
  children: new Map(),
  get others() {
    return textNode;
  },
};

/** Compiles a shape. `toKey` is applied to each key, here and in what is scanned. */
export function compileShape(shape: Shape, toKey: (key: string) => string = (key) => key, path = ""): ShapeNode {
  const children = new Map<string, ShapeNode>();
  for (const [key, value] of Object.entries(shape)) {
    if (key === "*") continue;
    const childPath = path === "" ? key : `${path}.${key}`;
    children.set(toKey(key), compileValue(value, toKey, childPath));
  }
  const others = shape["*"] === undefined ? undefined : compileValue(shape["*"], toKey, `${path}.*`);
  return { path, kind: "inner", children, others };
}

function compileValue(value: Shape[string], toKey: (key: string) => string, path: string): ShapeNode {
  if (value === "text") return textNode;
  if (value === "value") return { path, kind: "value", children: new Map(), others: undefined };
  return compileShape(value, toKey, path);
}
