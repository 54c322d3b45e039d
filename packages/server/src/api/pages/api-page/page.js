// The page of the API: lists the operations of the OpenAPI document, and sends requests to them.

const getElement = (id) => document.getElementById(id);
const main = getElement("main");
const maxShownCharacters = 200_000;
let api;

/** Creates an element. Texts are always texts: nothing of the document or an answer is HTML. */
function create(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

const resolve = (value) =>
  value?.$ref === undefined
    ? value
    : value.$ref
        .slice(2)
        .split("/")
        .reduce((part, key) => part[key], api);

const listOperations = () =>
  Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })),
  );

function getHeaders() {
  const token = getElement("token").value.trim();
  return token === "" ? {} : { authorization: `Bearer ${token}` };
}

async function load() {
  const answer = await fetch("/api/v1/openapi.json", { headers: getHeaders() });
  if (!answer.ok) {
    const { detail } = await answer.json();
    main.replaceChildren(create("p", {}, detail), create("p", {}, "Log in, or paste a token above."));
    return;
  }
  const text = await answer.text();
  api = JSON.parse(text);
  getElement("document").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  showOperations();
  showSelected();
}

function showOperations() {
  const words = getElement("filter").value.toLowerCase().split(/\s+/);
  const matches = listOperations().filter(({ operationId, path, method, summary }) =>
    words.every((word) => `${operationId} ${method} ${path} ${summary}`.toLowerCase().includes(word)),
  );
  const groups = api.tags.map(({ name, description }) => {
    const operations = matches.filter(({ tags }) => tags[0] === name);
    if (operations.length === 0) return undefined;
    const buttons = operations.map(({ operationId, method, summary }) =>
      create(
        "button",
        {
          title: summary,
          ariaCurrent: String(location.hash === `#${operationId}`),
          onclick: () => (location.hash = operationId),
        },
        create("span", { className: "method" }, `${method} `),
        operationId,
      ),
    );
    const isOpen = words.some(Boolean) || operations.some(({ operationId }) => location.hash === `#${operationId}`);
    return create(
      "details",
      { open: isOpen },
      create("summary", { title: description }, name, create("span", { className: "muted" }, ` ${operations.length}`)),
      ...buttons,
    );
  });
  getElement("operations").replaceChildren(...groups.filter(Boolean));
}

function showSelected() {
  const operation = listOperations().find(({ operationId }) => location.hash === `#${operationId}`);
  if (operation) showOperation(operation);
  else
    main.replaceChildren(
      create("h2", {}, `${api.info.title} API`),
      create("pre", {}, api.info.description.replaceAll("`", "")),
    );
}

function showOperation(operation) {
  const { operationId, method, path, summary, description, "x-permission": permission } = operation;
  const parameters = (operation.parameters ?? []).map(resolve);
  const fields = new Map(parameters.map((parameter) => [parameter, createField(parameter)]));
  const body = createBody(operation);
  const result = create("section");
  const send = create("button", { className: "send", type: "button" }, "Send");
  send.onclick = () => sendRequest({ operation, fields, body, result, send });
  main.replaceChildren(
    create("h2", {}, operationId),
    create("p", {}, create("span", { className: "method" }, `${method} `), create("code", {}, path)),
    create("p", {}, (description ?? summary).replaceAll("`", "")),
    create("p", { className: "muted" }, permission === undefined ? "Needs no permission." : `Needs ${permission}.`),
    fields.size > 0 ? create("h3", {}, "Parameters") : "",
    createFieldTable(fields),
    ...(body ? [create("h3", {}, `Body (${body.type})`), body.input] : []),
    send,
    result,
    create("h3", {}, "Answers"),
    createAnswerTable(operation),
  );
  main.scrollTop = 0;
}

const createField = ({ name, schema, required }) =>
  create("input", { ariaLabel: name, required, placeholder: formatPlaceholder(schema) });

function formatPlaceholder(schema) {
  const { type = "", format, enum: values, default: preset } = resolve(schema) ?? {};
  if (preset !== undefined) return `${preset} by default`;
  return values ? values.join(", ") : (format ?? type);
}

const createFieldTable = (fields) =>
  create(
    "table",
    {},
    ...[...fields].map(([{ name, in: place, required, description = "" }, input]) =>
      create(
        "tr",
        {},
        create("td", {}, create("code", {}, name), required ? " *" : ""),
        create("td", { className: "muted" }, place),
        create("td", {}, input),
        create("td", { className: "muted" }, description.replaceAll("`", "")),
      ),
    ),
  );

function createBody({ requestBody }) {
  const [content] = Object.entries(requestBody?.content ?? {});
  if (!content) return undefined;
  const [type, { schema }] = content;
  if (schema === undefined) return { type, input: create("input", { type: "file", ariaLabel: "Body" }) };
  const text = JSON.stringify(createExample(schema), undefined, 2);
  return { type, input: create("textarea", { ariaLabel: "Body", value: text, rows: text.split("\n").length + 1 }) };
}

/** Creates a value with the required fields of a schema, or its example. */
function createExample(reference, depth = 0) {
  const schema = resolve(reference) ?? {};
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const [branch] = schema.anyOf ?? schema.oneOf ?? [];
  if (branch) return createExample(branch, depth + 1);
  if (schema.type === "object" && depth < 5)
    return Object.fromEntries(
      Object.entries(schema.properties ?? {})
        .filter(([name]) => schema.required?.includes(name))
        .map(([name, property]) => [name, createExample(property, depth + 1)]),
    );
  return (
    { array: [], object: {}, string: "", integer: schema.minimum ?? 0, number: 0, boolean: false }[schema.type] ?? null
  );
}

const createAnswerTable = ({ responses }) =>
  create(
    "table",
    {},
    ...Object.entries(responses).map(([status, reference]) => {
      const { description, content = {} } = resolve(reference);
      const [entry] = Object.entries(content);
      const schema = status.startsWith("2") && entry?.[1].schema;
      return create(
        "tr",
        {},
        create("td", {}, create("code", {}, status)),
        create(
          "td",
          {},
          description.replaceAll("`", ""),
          schema
            ? create(
                "details",
                {},
                create("summary", { className: "muted" }, entry[0]),
                create("pre", {}, JSON.stringify(expand(schema), undefined, 2)),
              )
            : "",
        ),
      );
    }),
  );

/** Replaces a reference by what it leads to; the references in that stay. */
const expand = (schema) => (schema.type === "object" ? schema : resolve(schema));

function buildRequest({ path, method }, fields, body) {
  const query = new URLSearchParams();
  const headers = getHeaders();
  let address = path;
  for (const [{ name, in: place }, { value }] of fields) {
    if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "" && place === "query") query.append(name, value);
    else if (value !== "") headers[name] = value;
  }
  if (body) headers["content-type"] = body.type;
  const content = body?.input.type === "file" ? body.input.files[0] : body?.input.value;
  return [`${address}${query.size > 0 ? `?${query}` : ""}`, { method, headers, ...(body && { body: content }) }];
}

async function sendRequest({ operation, fields, body, result, send }) {
  const invalid = [...fields.values()].find((input) => !input.reportValidity());
  if (invalid) return;
  const [address, options] = buildRequest(operation, fields, body);
  const controller = new AbortController();
  const output = create("pre");
  const status = create("p", { className: "muted" }, "Waiting for the answer…");
  const stop = create("button", { className: "send", type: "button", onclick: () => controller.abort() }, "Stop");
  result.replaceChildren(
    create("h3", {}, "Answer"),
    create("code", {}, `${options.method} ${address}`),
    status,
    stop,
    output,
  );
  send.disabled = true;
  const startedAt = performance.now();
  try {
    const answer = await fetch(address, { ...options, signal: controller.signal });
    const describe = () => `${answer.status} ${answer.statusText}, ${Math.round(performance.now() - startedAt)} ms`;
    status.replaceChildren(describe());
    status.className = answer.ok ? "" : "failed";
    await showAnswer(answer, output);
    status.replaceChildren(describe());
  } catch (error) {
    status.append(controller.signal.aborted ? " Stopped." : ` ${error.message}`);
  } finally {
    stop.remove();
    send.disabled = false;
  }
}

/** Shows an answer as it arrives: a stream may have no end. */
async function showAnswer(answer, output) {
  const type = answer.headers.get("content-type") ?? "";
  if (!/json|text|ndjson/.test(type)) {
    const { size } = await answer.blob();
    output.append(`${size} bytes of ${type || "no type"}`);
    return;
  }
  let text = "";
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    output.replaceChildren(text.slice(-maxShownCharacters));
  }
  if (/[/+]json/.test(type) && text.length < maxShownCharacters)
    output.replaceChildren(JSON.stringify(JSON.parse(text), undefined, 2));
}

getElement("filter").oninput = showOperations;
getElement("token").onchange = () => load();
addEventListener("hashchange", () => {
  if (!api) return;
  showOperations();
  showSelected();
});
await load();
