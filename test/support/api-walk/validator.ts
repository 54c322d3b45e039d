import ajvFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { JsonSchema } from "./operations.ts";

/** Creates a validator for schemas whose references begin with `document#`. */
export function createValidator(document: JsonSchema): Ajv2020 {
  const validator = new Ajv2020({ strict: false, allErrors: false });
  ajvFormats.default(validator);
  validator.addSchema({ ...document, $id: "document" });
  return validator;
}
