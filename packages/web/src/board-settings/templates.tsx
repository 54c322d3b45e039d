import { useSuspenseQuery } from "@tanstack/react-query";
import type { Template } from "@wharf/client";
import { useState } from "react";
import { queries, wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, readField, Row, Rows, Section, settingsStyles, useChange } from "../settings/index.ts";
import { formatRepository, visible } from "../text/index.ts";

interface TemplatesProps {
  readonly boardId: string;
  readonly canChange: boolean;
}

/** The templates for new tasks of the board. */
export function Templates({ boardId, canChange }: TemplatesProps) {
  const { data: templates } = useSuspenseQuery(queries.templates);
  const [edited, setEdited] = useState<Template>();
  const change = useChange(queries.templates.queryKey);
  const own = templates.filter(({ board_id }) => board_id === boardId);
  const remove = ({ id, name, fields }: Template) =>
    void change(() => wharf.templates.removeTemplate(id), {
      done: `The template ${visible(name)} was removed. Its tasks stay.`,
      undo: () => wharf.templates.setTemplate({ name, board_id: boardId, fields }),
    });
  return (
    <Section title="Templates" hint="A new task takes its prompt and its choices from a template.">
      <Rows label="Templates" empty="The board has no templates.">
        {own.map((template) => {
          const { id, name, fields } = template;
          return (
            <Row key={id} name={visible(name)} details={describe(template)}>
              {canChange && (
                <>
                  <button aria-label={`Edit ${visible(name)}`} onClick={() => setEdited(template)}>
                    Edit
                  </button>
                  <button aria-label={`Remove ${visible(name)}`} onClick={() => remove({ ...template, fields })}>
                    Remove
                  </button>
                </>
              )}
            </Row>
          );
        })}
      </Rows>
      {canChange && (
        <TemplateForm key={edited?.id ?? "new"} boardId={boardId} edited={edited} onDone={() => setEdited(undefined)} />
      )}
    </Section>
  );
}

const maxPromptStart = 120;

function describe({ fields }: Template): string {
  const { description, repository_url: url, agent_type: agent } = fields;
  const prompt = description.split("\n", 1)[0]?.slice(0, maxPromptStart) ?? "";
  return visible([prompt, url && formatRepository(url), agent].filter(Boolean).join(" · "));
}

interface TemplateFormProps {
  readonly boardId: string;
  /** The template that is changed; a new one without it. */
  readonly edited: Template | undefined;
  readonly onDone: () => void;
}

function TemplateForm({ boardId, edited, onDone }: TemplateFormProps) {
  const change = useChange(queries.templates.queryKey);
  const save = async (fields: FormData) => {
    const name = readField(fields, "name");
    const { title: _title, repository_url: _url, ...others } = edited?.fields ?? { description: "" };
    const title = readField(fields, "title");
    const url = readField(fields, "repository");
    const isSaved = await change(
      () =>
        wharf.templates.setTemplate({
          name,
          board_id: boardId,
          fields: {
            ...others,
            description: readField(fields, "prompt"),
            ...(title !== "" && { title }),
            ...(url !== "" && { repository_url: url }),
          },
        }),
      { done: `The template ${name} is saved.` },
    );
    if (isSaved) onDone();
    return isSaved;
  };
  return (
    <Form label={edited ? `Template ${visible(edited.name)}` : "New template"} action="Save template" send={save}>
      <Field label="Name of the template">
        {(input) => (
          <input
            {...input}
            name="name"
            required
            readOnly={edited !== undefined}
            maxLength={100}
            pattern="[a-z0-9][a-z0-9._\-]*"
            defaultValue={edited?.name}
          />
        )}
      </Field>
      <Field label="Title of the tasks">
        {(input) => <input {...input} name="title" maxLength={500} defaultValue={edited?.fields.title} />}
      </Field>
      <Field label="Repository">
        {(input) => (
          <input {...input} name="repository" maxLength={2_000} defaultValue={edited?.fields.repository_url} />
        )}
      </Field>
      <div className={settingsStyles["wide"]}>
        <Field label="Prompt" hint="{{name}} is a place that each task fills in.">
          {(input) => (
            <textarea
              {...input}
              name="prompt"
              required
              rows={5}
              maxLength={200_000}
              defaultValue={edited?.fields.description}
            />
          )}
        </Field>
      </div>
    </Form>
  );
}
