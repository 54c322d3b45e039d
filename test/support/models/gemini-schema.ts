import { z } from "zod";

/**
 * The request of `generateContent`, as strict as the real one: the schema refuses unknown fields.
 */

const Part = z
  .strictObject({
    text: z.string().optional(),
    thought: z.boolean().optional(),
    thoughtSignature: z.base64().optional(),
    inlineData: z.strictObject({ mimeType: z.string(), data: z.base64() }).optional(),
    fileData: z.strictObject({ mimeType: z.string().optional(), fileUri: z.string() }).optional(),
    functionCall: z
      .strictObject({
        id: z.string().optional(),
        name: z.string().min(1),
        args: z.record(z.string(), z.unknown()).optional(),
      })
      .optional(),
    functionResponse: z
      .strictObject({
        id: z.string().optional(),
        name: z.string().min(1),
        response: z.record(z.string(), z.unknown()),
        parts: z.array(z.unknown()).optional(),
      })
      .optional(),
  })
  .refine(
    (part) =>
      [part.text, part.inlineData, part.fileData, part.functionCall, part.functionResponse].filter(
        (data) => data !== undefined,
      ).length === 1,
    { error: "required oneof field 'data' must have one initialized field" },
  );

const Content = z.strictObject({ role: z.enum(["user", "model", "function"]), parts: z.array(Part).min(1) });
export type Content = z.infer<typeof Content>;

const FunctionDeclaration = z.strictObject({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/),
  description: z.string(),
  parameters: z.looseObject({ type: z.string() }).optional(),
  parametersJsonSchema: z.looseObject({}).optional(),
  response: z.unknown().optional(),
  responseJsonSchema: z.unknown().optional(),
  behavior: z.string().optional(),
});

const Tool = z.strictObject({
  functionDeclarations: z.array(FunctionDeclaration).optional(),
  googleSearch: z.looseObject({}).optional(),
  urlContext: z.looseObject({}).optional(),
  codeExecution: z.looseObject({}).optional(),
});

const GenerationConfig = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().optional(),
  topK: z.number().optional(),
  maxOutputTokens: z.number().int().positive().optional(),
  candidateCount: z.number().int().optional(),
  stopSequences: z.array(z.string()).optional(),
  responseMimeType: z.string().optional(),
  responseSchema: z.unknown().optional(),
  responseJsonSchema: z.unknown().optional(),
  responseModalities: z.array(z.string()).optional(),
  seed: z.number().int().optional(),
  presencePenalty: z.number().optional(),
  frequencyPenalty: z.number().optional(),
  thinkingConfig: z
    .strictObject({
      includeThoughts: z.boolean().optional(),
      thinkingBudget: z.number().int().optional(),
      thinkingLevel: z.string().optional(),
    })
    .optional(),
});

export const GenerateContent = z.strictObject({
  contents: z.array(Content).min(1, { error: "contents is not specified" }),
  systemInstruction: z.strictObject({ role: z.string().optional(), parts: z.array(Part) }).optional(),
  tools: z.array(Tool).optional(),
  toolConfig: z
    .strictObject({
      functionCallingConfig: z.looseObject({}).optional(),
      includeServerSideToolInvocations: z.boolean().optional(),
    })
    .optional(),
  generationConfig: GenerationConfig.optional(),
  safetySettings: z.array(z.strictObject({ category: z.string(), threshold: z.string() })).optional(),
  cachedContent: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
});
export type GenerateContent = z.infer<typeof GenerateContent>;

export const CountTokens = z
  .strictObject({
    contents: z.array(Content).optional(),
    generateContentRequest: GenerateContent.extend({ model: z.string() }).optional(),
  })
  .refine((body) => body.contents !== undefined || body.generateContentRequest !== undefined, {
    error: "contents is not specified",
  });
